"""The kinds of files that the program reads: how they are made, and who reads them.

A reader returns what it read as text that can be compared, and what it complained of; or
it raises what the functions raise that the program uses.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.checkpoint import (
    MANIFEST,
    POLICY,
    STATE,
    TRAINING,
    checkpoint_paths,
    read_checkpoint,
    read_policy,
    replay_dir,
)
from sac_learner.core.config import LearnerConfig
from sac_learner.core.learner import Learner
from sac_learner.core.parameters import decode_policy
from sac_learner.core.replay_log import ReplayLog
from sac_learner.core.sac_policy import make_sac_policy
from sac_learner.core.segment_file import segment_paths
from sac_learner.nodes.learner_convert import time_step
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_experiments.bench.numbered_steps import HEIGHT, WIDTH, message
from ur5_rl_experiments.bench.resume import SETTINGS
from ur5_rl_ros.param_files import config_from_args
from ur5_rl_ros.shared_array import SharedArrayWriter
from ur5_sim.nodes.feed import Feed, is_pose, is_screen

STEPS_PER_FILE = 50
FILES = 3
CAPACITY = 500
RUN_ID = 5
PARAMETERS = "mine.yaml"
POSE, SCREEN = np.arange(12.0).reshape(2, 6), np.full((60, 80, 4), 200, np.uint8)
LOOK_S = 0.01  # at arrays that another process may change


@dataclass(frozen=True)
class Loaded:
    """What a reader made of its files: its value as text, what it complained of."""

    value: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileKind:
    """One kind of files.

    Attributes:
        make: Fills a folder and returns the files that are damaged, one at a time.
        load: Reads them.
        is_summed: Whether a checksum guards every byte.
    """

    make: Callable[[Path], list[Path]]
    load: Callable[[Path], Loaded]
    is_summed: bool = True


def sign_again(folder: Path) -> None:
    """Make the checksums of a damaged checkpoint fit, as a forger would."""
    for manifest in folder.glob(f"checkpoints/*/{MANIFEST}"):
        document = json.loads(manifest.read_bytes())
        for name in document["sha256"]:
            data = (manifest.parent / name).read_bytes()
            document["sha256"][name] = hashlib.sha256(data).hexdigest()
        manifest.write_text(json.dumps(document))


# Checkpoints: read by the actor that acts by them, and by the learner that goes on.


def _make_run(folder: Path) -> None:
    """Write a run as a learner leaves it: three replay files, a checkpoint after them."""
    for number in range(FILES):
        log = ReplayLog(replay_dir(folder), CAPACITY)
        list(log.read([]))
        for sequence in range(STEPS_PER_FILE * number + 1, STEPS_PER_FILE * number + 51):
            log.append(time_step(message(RUN_ID, sequence)), sequence)
        log.flush()
        log.close()
    learner = Learner(_config(folder))
    learner.resume()
    with learner:
        learner.save()


def _make_checkpoint(name: str, folder: Path) -> list[Path]:
    with Learner(_config(folder)) as learner:
        learner.save()
    return [checkpoint_paths(folder)[-1] / name]


def _load_checkpoint(folder: Path) -> Loaded:
    path = checkpoint_paths(folder)[-1]
    checkpoint = read_checkpoint(path)
    actor = ActorConfig(height_px=HEIGHT, width_px=WIDTH, checkpoint=str(path))
    policy = make_sac_policy(actor)
    weights = decode_policy(read_policy(path)).state_dict()
    learner = Learner(_config(folder))
    problems = learner.resume()
    value = (
        dataclasses.asdict(checkpoint.state),
        _sums(checkpoint.tensors),
        policy.version,
        _sums(weights),
    )
    return Loaded(repr(value), tuple(problems))


def _make_versions(folder: Path) -> list[Path]:
    _make_checkpoint(MANIFEST, folder)
    return [folder / "versions.json"]


def _load_versions(folder: Path) -> Loaded:
    learner = Learner(_config(folder))
    problems = learner.resume()
    return Loaded(str(learner.next_policy().version), tuple(problems))


# The replay of a run: read by the learner that goes on.


def _make_segments(folder: Path) -> list[Path]:
    _make_run(folder)
    return segment_paths(replay_dir(folder))


def _load_segments(folder: Path) -> Loaded:
    problems = Learner(_config(folder)).resume()
    steps = ReplayLog(replay_dir(folder), CAPACITY).read([])
    return Loaded("\n".join(_line(step) for step in steps), tuple(problems))


# Parameter files: read by the command and by the processes of the graph.


def _make_parameters(folder: Path) -> list[Path]:
    path = folder / PARAMETERS
    values = dataclasses.asdict(ArmConfig())
    rows = [f"    {name}: {json.dumps(value)}" for name, value in values.items()]
    path.write_text("\n".join(["/**/arm_node:", "  ros__parameters:", *rows]) + "\n")
    return [path]


def _load_parameters(folder: Path) -> Loaded:
    words = ["--params-file", str(folder / PARAMETERS)]
    return Loaded(repr(config_from_args(words, "arm_node", ArmConfig)))


# Shared arrays: read by the virtual camera, again and again.


def _make_shared_arrays(folder: Path) -> list[Path]:
    paths = [folder / "pose.array", folder / "screen.array"]
    for path, values in zip(paths, (POSE, SCREEN), strict=True):
        writer = SharedArrayWriter(path, values.shape, values.dtype.str)
        writer.begin()[:] = values
        writer.commit(time.monotonic_ns())
    return paths


def _load_shared_arrays(folder: Path) -> Loaded:
    feeds = (
        Feed("pose_file", str(folder / "pose.array"), "controller", is_pose),
        Feed("screen_file", str(folder / "screen.array"), "display", is_screen),
    )
    deadline_s = time.monotonic() + LOOK_S
    while time.monotonic() < deadline_s:
        for feed in feeds:
            feed.refresh()
    problems = tuple(f"waits for {feed.what}" for feed in feeds if feed.newest is None)
    return Loaded("\n".join(map(_shown, feeds)), problems)


def _shown(feed: Feed) -> str:
    array = feed.newest
    if array is None:
        return "nothing"
    return f"{array.dtype} {array.shape} {feed.steady_ns} {_sum(array)}"


KINDS: dict[str, FileKind] = {
    "manifest": FileKind(partial(_make_checkpoint, MANIFEST), _load_checkpoint),
    "state": FileKind(partial(_make_checkpoint, STATE), _load_checkpoint),
    "training": FileKind(partial(_make_checkpoint, TRAINING), _load_checkpoint),
    "policy": FileKind(partial(_make_checkpoint, POLICY), _load_checkpoint),
    "versions": FileKind(_make_versions, _load_versions, is_summed=False),
    "segment": FileKind(_make_segments, _load_segments),
    "parameters": FileKind(_make_parameters, _load_parameters, is_summed=False),
    "shared_array": FileKind(_make_shared_arrays, _load_shared_arrays, is_summed=False),
}


def _config(folder: Path) -> LearnerConfig:
    small = SETTINGS | {"replay_capacity": CAPACITY}
    return LearnerConfig(run_dir=str(folder), **small)


def _line(step: Any) -> str:
    values = dataclasses.asdict(step)
    arrays = {k: _sum(v) for k, v in values.items() if isinstance(v, np.ndarray)}
    return repr(values | arrays)


def _sums(tensors: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """Return checksums by name, sorted: safetensors gives no order."""
    return sorted((name, _sum(tensor.numpy())) for name, tensor in tensors.items())


def _sum(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
