"""What reading a damaged file may lead to, and what that is called."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ur5_rl_experiments.fuzz.file_kinds import Loaded

MAX_WORDS = 2000  # characters of a refusal: it may list all parameters of a node
SHOWN = 300  # characters of it in a report


class Verdict(StrEnum):
    """How the reading of a damaged file ended."""

    REFUSED = "refused"  # with one clear line that names the file
    EQUAL = "equal"  # nothing that matters was hit
    ANOTHER = "another"  # another valid file: not under a checksum, or forged to fit
    WRONG = "wrong"  # read otherwise than written, without a word
    UNCLEAR = "unclear"  # refused, but not in one line that names the file
    CRASH = "crash"  # an exception of another kind, or a process that ended
    HANG = "hang"
    EXECUTED = "executed"  # code in the file ran


GOOD = (Verdict.REFUSED, Verdict.EQUAL, Verdict.ANOTHER)


@dataclass(frozen=True)
class Trial:
    """One damaged file.

    Attributes:
        index: Of the trial; with kind and seed it says all that was done.
        damage: What was done.
        verdict: How it ended.
        why: What the reader said.
    """

    index: int
    damage: str
    verdict: Verdict
    why: str


@dataclass
class Tally:
    """What became of the damaged files of one kind."""

    kind: str
    counts: Counter[Verdict] = field(default_factory=Counter)
    failures: list[Trial] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        self.counts[trial.verdict] += 1
        if trial.verdict not in GOOD:
            self.failures.append(trial)

    def as_dict(self) -> dict[str, Any]:
        """Return it for a report."""
        counts = {str(verdict): self.counts[verdict] for verdict in Verdict}
        failures = [vars(trial) for trial in self.failures]
        files = self.counts.total()
        return {"kind": self.kind, "files": files, **counts, "failures": failures}


def of_error(error: BaseException, folder: str) -> tuple[Verdict, str]:
    """Judge what a reader raised over a file in `folder`."""
    words = f"{type(error).__name__}: {error}"
    if not isinstance(error, ValueError | OSError):
        return Verdict.CRASH, words[:SHOWN]
    return of_refusal(str(error), folder)


def of_refusal(words: str, folder: str) -> tuple[Verdict, str]:
    """Judge whether a refusal is one line for people that names the file."""
    is_clear = folder in words and "\n" not in words and len(words) <= MAX_WORDS
    return (Verdict.REFUSED if is_clear else Verdict.UNCLEAR), words[:SHOWN]


def of_value(
    found: Loaded, wanted: Loaded, folder: str, *, is_guarded: bool
) -> tuple[Verdict, str]:
    """Judge what a reader returned.

    Args:
        found: Of the damaged file.
        wanted: Of the whole one.
        folder: Where it lay.
        is_guarded: Whether a checksum, which nobody made fit, was there to notice.
    """
    if found.value == wanted.value and not found.problems:
        return Verdict.EQUAL, ""
    invented = set(found.value.splitlines()) - set(wanted.value.splitlines())
    if invented and is_guarded:
        return Verdict.WRONG, f"read what was never written: {min(invented)}"[:SHOWN]
    if found.problems:
        return of_refusal(found.problems[0], folder)
    if is_guarded:
        return Verdict.WRONG, "read otherwise, without a word"
    return Verdict.ANOTHER, ""


def text(tallies: Iterable[Tally]) -> str:
    """Return the table for people, and the first failures of each kind."""
    lines = [f"{'':12} {'files':>6}" + "".join(f"{v:>9}" for v in Verdict)]
    for tally in tallies:
        counts = "".join(f"{tally.counts[verdict]:9}" for verdict in Verdict)
        lines.append(f"{tally.kind:12} {tally.counts.total():6}{counts}")
        lines += (
            f"  FAILED {trial.index}: {trial.damage}: {trial.verdict}: {trial.why}"
            for trial in tally.failures[:10]
        )
    return "\n".join(lines)
