"""Checkpoints: one directory each, written whole or not at all, checked when read.

    run_dir/checkpoints/00012000/   after 12000 updates
        training.safetensors        networks, targets, optimisers, temperature, generator
        policy.safetensors          what acts, as it is sent to the actor
        state.json                  counters, generators, resolved configuration, commit
        manifest.json               checksum of each file; written last
    run_dir/checkpoints/00012000-1/ after the same updates, and more transitions

Nothing here can run code: safetensors and JSON only.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sac_learner.core.bounded_file import in_one_line, read_bounded
from sac_learner.core.durable_file import sync_directory, write_durably
from sac_learner.core.parameters import MAX_VERSION, EncodedPolicy

FORMAT = 2
MANIFEST = "manifest.json"
TRAINING = "training.safetensors"
POLICY = "policy.safetensors"
STATE = "state.json"
NAME = re.compile(r"\d+(-\d+)?")
MAX_BYTES = {  # far above the largest network that a configuration allows
    MANIFEST: 10_000,
    STATE: 1_000_000,
    POLICY: 1_000_000_000,
    TRAINING: 8_000_000_000,
}
# By what JSON of another kind than ours shows itself when it is taken apart.
UNLIKE_OURS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
MAX_COUNT = 2**53  # what JSON keeps to the unit


@dataclass(frozen=True)
class RunState:
    """Counters and settings of a run at one instant.

    Attributes:
        updates: Gradient updates so far.
        env_steps: Transitions stored so far.
        next_version: Above every policy version given so far.
        limiter: Of the update limiter: transitions and tokens.
        generator: State of the sampler's random numbers.
        commit: Of the code, for people.
        config: Resolved configuration.
    """

    updates: int
    env_steps: int
    next_version: int
    limiter: tuple[int, float]
    generator: dict[str, Any]
    commit: str
    config: dict[str, Any]

    def __post_init__(self) -> None:
        transitions, tokens = self.limiter
        for name, value, most in (
            ("updates", self.updates, MAX_COUNT),
            ("env_steps", self.env_steps, MAX_COUNT),
            ("next_version", self.next_version, MAX_VERSION),
            ("limiter: transitions", transitions, MAX_COUNT),
        ):
            check_count(name, value, most)
        if type(tokens) not in (int, float) or not abs(tokens) <= MAX_COUNT:
            raise ValueError(
                f"limiter: tokens must be in +-{MAX_COUNT}, got {tokens!r:.40}"
            )
        for name, table in (("generator", self.generator), ("config", self.config)):
            if not isinstance(table, dict):
                raise ValueError(f"{name} must be an object, got {table!r:.40}")


def check_count(name: str, value: object, most: int) -> None:
    """Raise ValueError unless a value is a whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(
            f"{name} must be a whole number in [0, {most}], got {value!r:.40}"
        )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    state: RunState
    tensors: dict[str, Tensor]


def write_checkpoint(
    run_dir: Path, state: RunState, tensors: Mapping[str, Tensor], policy: EncodedPolicy
) -> Path:
    """Write `run_dir/checkpoints/<updates>`, whole or not at all, and return it.

    One that is there already, of the same update, stays: no instant is without it.

    Raises:
        OSError: it cannot be written.
    """
    final = _next_path(run_dir, state.updates)
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    about_policy = {"version": policy.version, "architecture": policy.architecture}
    contents = {
        TRAINING: save(dict(tensors)),
        POLICY: policy.data,
        STATE: json.dumps(asdict(state) | {"policy": about_policy}, indent=1).encode(),
    }
    for name, data in contents.items():
        write_durably(partial / name, data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = {"format": FORMAT, "sha256": sums}
    write_durably(partial / MANIFEST, json.dumps(manifest, indent=1).encode())
    os.replace(partial, final)
    sync_directory(final.parent)
    return final


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check it.

    Raises:
        ValueError: says which file is missing or broken.
    """
    contents = _checked_contents(path)
    state, _ = _state(path, contents[STATE])
    try:
        return Checkpoint(path, state, load(contents[TRAINING]))
    except (SafetensorError, RuntimeError, *UNLIKE_OURS) as error:
        words = in_one_line(error)
        raise ValueError(f"{path / TRAINING} is no safetensors data: {words}") from None


def read_policy(path: Path) -> EncodedPolicy:
    """Read what acts from a checkpoint, or from the newest whole one of a run directory.

    Raises:
        ValueError: there is none, or it is broken.
    """
    if checkpoints_dir(path).is_dir():
        path = newest_checkpoint(path)[0].path
    contents = _checked_contents(path)
    _, policy = _state(path, contents[STATE])
    return replace(policy, data=contents[POLICY]).sealed()


def _state(path: Path, data: bytes) -> tuple[RunState, EncodedPolicy]:
    """Return what `STATE` says of a run, and of its policy, which is without data yet.

    Raises:
        ValueError: a value is missing, or none that a run can have; names file and field.
    """
    try:
        values = json.loads(data)
        about = values.pop("policy")
        values["limiter"] = tuple(values["limiter"])
        state = RunState(**values)
        check_count("policy: version", about["version"], MAX_VERSION)
        if not isinstance(about["architecture"], str):
            raise ValueError("policy: architecture must be text")
    except UNLIKE_OURS as error:
        raise ValueError(f"{path / STATE}: {in_one_line(error)}") from None
    policy = EncodedPolicy(
        version=about["version"],
        update_step=state.updates,
        architecture=about["architecture"],
        data=b"",
    )
    return state, policy


def checkpoints_dir(run_dir: Path) -> Path:
    """Return where the checkpoints of a run lie."""
    return run_dir / "checkpoints"


def replay_dir(run_dir: Path) -> Path:
    """Return where the replay segments of a run lie."""
    return run_dir / "replay"


def checkpoint_paths(run_dir: Path) -> list[Path]:
    """Return the finished checkpoints of a run, oldest first."""
    paths = checkpoints_dir(run_dir).glob("[0-9]*")
    return sorted((path for path in paths if NAME.fullmatch(path.name)), key=_age)


def _age(path: Path) -> tuple[int, int]:
    """Return updates, and the number among checkpoints of the same update."""
    updates, _, number = path.name.partition("-")
    return int(updates), int(number or 0)


def _next_path(run_dir: Path, updates: int) -> Path:
    """Return the place of a new checkpoint after so many updates."""
    ages = [_age(path) for path in checkpoint_paths(run_dir)]
    number = max((number for of, number in ages if of == updates), default=-1) + 1
    name = f"{updates:08d}-{number}" if number else f"{updates:08d}"
    return checkpoints_dir(run_dir) / name


def newest_checkpoint(run_dir: Path) -> tuple[Checkpoint, list[str]]:
    """Return the newest whole checkpoint of a run, and what was wrong with newer ones.

    Raises:
        ValueError: there is none; says what was wrong with each.
    """
    problems: list[str] = []
    for path in reversed(checkpoint_paths(run_dir)):
        try:
            return read_checkpoint(path), problems
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(f"no whole checkpoint under {run_dir}: {problems or 'none at all'}")


def prune(run_dir: Path, kept: int) -> list[str]:
    """Delete all but the newest `kept` checkpoints; return what stays, for people."""
    problems = []
    for path in checkpoint_paths(run_dir)[:-kept]:
        try:
            shutil.rmtree(path)
        except OSError as error:
            problems.append(f"an old checkpoint stays: {error}")
    return problems


def clear_away(run_dir: Path, newest: Path) -> list[str]:
    """Make room after a crash; return what was found, for people.

    Deletes what a killed writer left unfinished, and renames what is newer than the
    `newest` whole checkpoint: it would stand before those that are still to come.

    Raises:
        OSError: the directory cannot be changed.
    """
    found = []
    for partial in sorted(checkpoints_dir(run_dir).glob(".*.partial")):
        shutil.rmtree(partial)
        found.append(f"{partial}: deleted, its writer did not finish it")
    for path in checkpoint_paths(run_dir):
        if _age(path) > _age(newest):
            aside = path.with_name(f"broken_{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
    return found


def _checked_contents(path: Path) -> dict[str, bytes]:
    """Return the files of a checkpoint by name after comparing their checksums.

    Raises:
        ValueError: one of its files is missing or broken; names it.
    """
    try:
        sums = _checksums(path)
        contents = {name: read_bounded(path / name, MAX_BYTES[name]) for name in sums}
    except (OSError, ValueError) as error:
        raise ValueError(f"checkpoint {path} is broken: {error}") from None
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != sums[name]:
            raise ValueError(f"checkpoint {path} is broken: checksum of {name} is wrong")
    return contents


def _checksums(path: Path) -> dict[str, str]:
    """Return the checksums of a checkpoint by file name."""
    manifest = path / MANIFEST
    data = read_bounded(manifest, MAX_BYTES[MANIFEST])
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}, got {document['format']!r:.40}")
        sums: dict[str, str] = document["sha256"]
        if sums.keys() != {TRAINING, POLICY, STATE}:
            raise ValueError(f"sha256 must name three files, got {sorted(sums)!r:.200}")
    except UNLIKE_OURS as error:
        raise ValueError(f"{manifest}: {in_one_line(error)}") from None
    return sums
