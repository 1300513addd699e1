"""What the processes of a soak hold, and how that grows after the warm-up."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ur5_rl_experiments.core.soak_growth import Growth, growth
from ur5_rl_experiments.core.soak_record import ProcessUse, Sample, SoakRecord

BYTES_PER_MB = 1e6


class ProcessGrowth(NamedTuple):
    """What one process did after the warm-up."""

    resident_mb: Growth
    descriptors: Growth
    threads: Growth
    cpu_share: float | None  # of one core; None if it was restarted
    restarts: int  # since the start of the soak


def process_growth(record: SoakRecord, name: str) -> ProcessGrowth:
    """Return how one process grew after the warm-up."""
    samples = [s for s in record.after_warm_up() if name in s.processes]
    uses = [s.processes[name] for s in samples]

    def of(value: Callable[[ProcessUse], float]) -> Growth:
        return growth([s.time_s for s in samples], [value(use) for use in uses])

    return ProcessGrowth(
        resident_mb=of(lambda use: use.resident_mb),
        descriptors=of(lambda use: use.descriptors),
        threads=of(lambda use: use.threads),
        cpu_share=_cpu_share(samples, uses),
        restarts=restarts(record, name),
    )


def _cpu_share(samples: Sequence[Sample], uses: Sequence[ProcessUse]) -> float | None:
    if len(uses) < 2 or uses[0].pid != uses[-1].pid:
        return None
    used_s = uses[-1].cpu_s - uses[0].cpu_s
    return used_s / (samples[-1].time_s - samples[0].time_s)


def restarts(record: SoakRecord, name: str) -> int:
    """Return how often another process took the place of `name`."""
    pids = [s.processes[name].pid for s in record.samples if name in s.processes]
    return sum(before != after for before, after in pairwise(pids))


def gone(record: SoakRecord) -> list[str]:
    """Return the processes that were there and are not in the newest sample."""
    there = record.samples[-1].processes if record.samples else {}
    return [name for name in record.names if name not in there]


def total_memory(record: SoakRecord, *, without_frames: bool = False) -> Growth:
    """Return how the sum of all processes grew after the warm-up [MB].

    Pages that several share are counted in each. `without_frames` leaves out the camera
    frames in the replay buffer: its transitions times the bytes of one frame.
    """
    names = set(record.names)
    samples = [s for s in record.after_warm_up() if names <= set(s.processes)]
    value = without_frame_mb(record) if without_frames else resident_mb
    return growth([s.time_s for s in samples], [value(s) for s in samples])


def resident_mb(sample: Sample) -> float:
    """Return the sum over all processes [MB]."""
    return sum(use.resident_mb for use in sample.processes.values())


def without_frame_mb(record: SoakRecord) -> Callable[[Sample], float]:
    """Return what takes the replay buffer's frames out of a sample's memory [MB]."""
    frame_mb = record.header.bytes_per_transition / BYTES_PER_MB
    return lambda sample: resident_mb(sample) - frame_mb * sample.state.buffer_size
