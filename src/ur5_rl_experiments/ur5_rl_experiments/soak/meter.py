"""Looks at the processes of a running graph and at what its nodes say of themselves."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import psutil

from ur5_rl_experiments.bench.graph_run import GraphRun
from ur5_rl_experiments.core.soak_record import (
    EpisodeCycles,
    GraphState,
    ProcessUse,
    Sample,
)
from ur5_rl_experiments.faults.ear import Ear
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, EpisodeSummary, LearnerStatus

SUPERVISOR = "supervisor"
BYTES_PER_MB = 1e6
OVERLAP_NS = 1_000_000_000
KEPT_EPISODES = 100  # many more than end within two looks


class Meter:
    """Takes samples and collects finished episodes. Owned by the main thread."""

    def __init__(self, run: GraphRun, ear: Ear) -> None:
        self._run, self._ear = run, ear
        self._started_ns = time.monotonic_ns()
        self._seen_ns = self._started_ns
        self._counted: deque[tuple[int, int]] = deque(maxlen=KEPT_EPISODES)

    @property
    def time_s(self) -> float:
        """Since the start of the soak [s]."""
        return (time.monotonic_ns() - self._started_ns) / 1e9

    @property
    def exit_code(self) -> int | None:
        """Of the graph; None while it runs."""
        return self._run.child.poll()

    def look(self) -> tuple[Sample, list[EpisodeCycles]]:
        """Return the graph now, and the episodes that ended since the last look."""
        since_ns, self._seen_ns = self._seen_ns, time.monotonic_ns()
        sample = Sample(round(self.time_s, 3), self._processes(), self._state(since_ns))
        return sample, [self._episode(message) for message in self._new(since_ns)]

    def _new(self, since_ns: int) -> list[EpisodeSummary]:
        """Return the episodes that were not counted yet; some come while we look."""
        heard = self._ear.all_since(EpisodeSummary, since_ns - OVERLAP_NS)
        new = [m for m in heard if (m.run_id, m.episode) not in self._counted]
        self._counted.extend((m.run_id, m.episode) for m in new)
        return new

    def _processes(self) -> dict[str, ProcessUse]:
        return {name: use for name, use in self._uses() if use is not None}

    def _uses(self) -> Iterator[tuple[str, ProcessUse | None]]:
        with suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(self._run.child.pid)
            yield SUPERVISOR, _use(supervisor)
            for child in supervisor.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if name := _module(child):
                        yield name, _use(child)

    def _state(self, since_ns: int) -> GraphState:
        learner = self._ear.newest(LearnerStatus) or LearnerStatus()
        sent = self._count("env_node", "transitions_sent")
        unacknowledged = self._count("env_node", "transitions_unacknowledged")
        return GraphState(
            updates=learner.updates,
            buffer_size=learner.buffer_size,
            transitions_received=learner.transitions_received,
            time_steps_lost=learner.transitions_lost,
            time_steps_refused=learner.transitions_refused,
            time_steps_incomplete=self._count("learner_node", "time_steps_incomplete"),
            inbox_overflowed=self._count("learner_node", "inbox_overflowed"),
            time_steps_sent=sent,
            time_steps_acknowledged=sent - unacknowledged,
            observations_answered=self._count("actor_node", "observations_answered"),
            commands_accepted=self._count("arm_node", "commands_accepted"),
            commands_refused=self._count("arm_node", "commands_refused"),
            joint_states_published_hz=self._mean(ArmStatus, "joint_states_hz", since_ns),
            joint_states_heard_hz=self._mean(EnvStatus, "joint_states_hz", since_ns),
            images_published_hz=self._frames_hz(),
            images_heard_hz=self._mean(EnvStatus, "images_hz", since_ns),
        )

    def _count(self, node: str, key: str) -> int:
        return int(self._ear.value(node, key) or 0)

    def _frames_hz(self) -> float | None:
        value = self._ear.value("camera_node", "frames_hz")
        return float(value) if value else None

    def _mean(self, kind: type, field: str, since_ns: int) -> float | None:
        messages = self._ear.all_since(kind, since_ns)
        values = [getattr(message, field) for message in messages]
        return round(sum(values) / len(values), 3) if values else None

    def _episode(self, message: EpisodeSummary) -> EpisodeCycles:
        return EpisodeCycles(
            time_s=round(self.time_s, 3),
            end=message.end,
            steps=message.steps,
            missed_actions=message.missed_actions,
            synchronisation_misses=message.synchronisation_misses,
            cycle_ms=_rounded(message.cycle_ms),
            lateness_ms=_rounded(message.lateness_ms),
            obs_to_command_ms=_rounded(message.observation_to_command_ms),
        )


def _use(process: psutil.Process) -> ProcessUse:
    with process.oneshot():
        cpu = process.cpu_times()
        return ProcessUse(
            pid=process.pid,
            resident_mb=round(process.memory_info().rss / BYTES_PER_MB, 3),
            descriptors=process.num_fds(),
            threads=process.num_threads(),
            cpu_s=cpu.user + cpu.system,
        )


def _module(process: psutil.Process) -> str:
    """Return the name of the node that a process runs; "" where it runs none."""
    words = process.cmdline()
    modules = [word for word in words if ".nodes." in word]
    return modules[0].rpartition(".")[2] if modules else ""


def _rounded(values: object) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)  # type: ignore[attr-defined]
