"""Reads damaged files, one after the other, in a process that may be killed for it.

`python -m ur5_rl_experiments.fuzz.file_trials KIND SEED FIRST LAST FOLDER` prints a JSON
line before each trial and one after it: who reads them knows what hangs.
"""

import json
import random
import resource
import shutil
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from ur5_rl_experiments.fuzz import verdicts
from ur5_rl_experiments.fuzz.file_kinds import KINDS, FileKind, Loaded, sign_again
from ur5_rl_experiments.fuzz.file_mutation import CHANGING, Damager
from ur5_rl_experiments.fuzz.unrest import unrest
from ur5_rl_experiments.fuzz.verdicts import Verdict

MAX_MEMORY = 1_000_000_000  # bytes more than before the first damaged file
SIGNED_SHARE = 0.5


def main() -> None:
    """Run the trials that are asked for."""
    name, seed, first, last, place = sys.argv[1:]
    kind, folder = KINDS[name], Path(place)
    whole, canary = folder / "whole", folder / "canary"
    whole.mkdir()
    victims = [path.relative_to(whole) for path in kind.make(whole)]
    wanted = kind.load(whole)
    _limit_memory()
    for index in range(int(first), int(last)):
        draw = random.Random(f"{name} {seed} {index}")
        trial = folder / f"trial_{index}"
        shutil.copytree(whole, trial)
        victim = trial / draw.choice(victims)
        damage, is_signed = _damage(trial, victim, draw, canary)
        _tell({"index": index, "damage": damage})
        with unrest(victim, draw) if CHANGING in damage else nullcontext():
            verdict, why = _read(kind, trial, wanted, is_signed=is_signed)
        if canary.exists():
            verdict, why = Verdict.EXECUTED, f"code ran; {why}"
            canary.unlink()
        shutil.rmtree(trial)
        _tell({"index": index, "damage": damage, "verdict": verdict, "why": why})


def _damage(
    trial: Path, victim: Path, draw: random.Random, canary: Path
) -> tuple[str, bool]:
    """Damage one file; return what was done, and whether checksums fit it again."""
    damage = f"{victim.name}: {Damager(draw, canary).damage(victim)}"
    if "forged" in damage or CHANGING in damage:
        return damage, True
    is_plain = all(path.is_file() or path.is_dir() for path in trial.rglob("*"))
    if "10 TB" in damage or not is_plain or draw.random() > SIGNED_SHARE:
        return damage, False
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        sign_again(trial)
        return f"{damage}, signed again", True
    return damage, False


def _read(
    kind: FileKind, trial: Path, wanted: Loaded, *, is_signed: bool
) -> tuple[Verdict, str]:
    try:
        found = kind.load(trial)
    except BaseException as error:  # noqa: BLE001  what must not happen is counted
        return verdicts.of_error(error, str(trial))
    is_guarded = kind.is_summed and not is_signed
    return verdicts.of_value(found, wanted, str(trial), is_guarded=is_guarded)


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    most = used + MAX_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
