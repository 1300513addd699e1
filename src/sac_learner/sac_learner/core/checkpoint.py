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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sac_learner.core.durable_file import sync_directory, write_durably
from sac_learner.core.parameters import EncodedPolicy

FORMAT = 2
MANIFEST = "manifest.json"
TRAINING = "training.safetensors"
POLICY = "policy.safetensors"
STATE = "state.json"
NAME = re.compile(r"\d+(-\d+)?")


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
    try:
        values = json.loads(contents[STATE])
        del values["policy"]
        values["limiter"] = tuple(values["limiter"])
        return Checkpoint(path, RunState(**values), load(contents[TRAINING]))
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ValueError(f"checkpoint {path}: {type(error).__name__} {error}") from None


def read_policy(path: Path) -> EncodedPolicy:
    """Read what acts from a checkpoint, or from the newest whole one of a run directory.

    Raises:
        ValueError: there is none, or it is broken.
    """
    if checkpoints_dir(path).is_dir():
        path = newest_checkpoint(path)[0].path
    contents = _checked_contents(path)
    about = json.loads(contents[STATE])["policy"]
    data = contents[POLICY]
    checksum = hashlib.sha256(data).hexdigest()
    return EncodedPolicy(about["version"], about["architecture"], checksum, data)


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


def prune(run_dir: Path, kept: int) -> None:
    """Delete all but the newest `kept` checkpoints."""
    for path in checkpoint_paths(run_dir)[:-kept]:
        shutil.rmtree(path)


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
    """Return the files of a checkpoint by name after comparing their checksums."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"format is {manifest['format']}, expected {FORMAT}")
        if manifest["sha256"].keys() != {TRAINING, POLICY, STATE}:
            raise ValueError(f"it lists {sorted(manifest['sha256'])}")
        contents = {name: (path / name).read_bytes() for name in manifest["sha256"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"checkpoint {path} is broken: {error}") from None
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != manifest["sha256"][name]:
            raise ValueError(f"checkpoint {path} is broken: checksum of {name} is wrong")
    return contents
