"""All faults in order, run after run, and what is kept of them."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from ur5_rl_experiments.bench.graph_run import RunFailedError
from ur5_rl_experiments.core.fault_outcome import Outcome, entry
from ur5_rl_experiments.faults.case import Case
from ur5_rl_experiments.faults.cases import (
    commanders,
    files,
    learner,
    machine,
    network,
    robot,
    sensors,
    velocity_commands,
)
from ur5_rl_experiments.faults.freeze_meter import FreezeMeter
from ur5_rl_experiments.faults.graph_under_test import (
    FaultError,
    GraphUnderTest,
    graph_under_test,
)
from ur5_rl_ros.code_version import commit_at

MODULES = (
    commanders,
    robot,
    learner,
    velocity_commands,
    machine,
    sensors,
    files,
    network,
)
MAX_DISTURBED = 3  # runs of one injection that a pause of the machine may spoil


def all_cases() -> list[Case]:
    """Return the matrix in the order of its numbers."""
    cases = [case for module in MODULES for case in module.CASES]
    return sorted(cases, key=lambda case: _number(case.fault))


def _number(fault: str) -> tuple[int, str]:
    digits = "".join(c for c in fault if c.isdigit())
    return int(digits), fault


@dataclass
class Result:
    """What has come of one case so far.

    Attributes:
        rng: Draws when and how the next one is injected.
        commit: Of the code it was injected into.
        outcomes: One per injection.
        disturbed: What was wrong with failed injections that were repeated because the
            machine itself stood still within them, one text each.
    """

    case: Case
    rng: Random
    commit: str
    outcomes: list[Outcome] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)

    def entry(self) -> dict[str, Any]:
        """Return the entry of the report."""
        item = entry(self.case.fault, self.case.limit, self.outcomes)
        return item | {
            "disturbed": self.disturbed,
            "title": self.case.title,
            "commit": self.commit,
        }


class Harness:
    """Injects faults and keeps what came of it in `folder`, one file a fault."""

    def __init__(self, root: Path, folder: Path, seed: int) -> None:
        self._root = root
        self._folder = folder
        self._seed = seed
        self._commit = commit_at(root)
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, cases: Sequence[Case], runs: int | None) -> Iterator[Result]:
        """Yield the result of each case; neighbours with one way to start share a graph.

        Args:
            cases: What to inject.
            runs: How often each; None = as often as the matrix asks for.
        """
        # DDS reads its profile once in a process: the one for networks hears them all.
        cases = sorted(cases, key=lambda c: not (c.spec and c.spec.is_on_two_machines))
        with FreezeMeter() as freezes:
            for spec, group in groupby(cases, key=lambda case: case.spec):
                members = list(group)
                if spec is None:
                    for case in members:
                        result = self._begun(case)
                        self._inject(result, self._root, runs, freezes)
                        yield result
                else:
                    yield from self._in_graphs(members, runs, freezes)

    def _begun(self, case: Case) -> Result:
        return Result(case, Random(f"{case.fault} {self._seed}"), self._commit)

    def _in_graphs(
        self, cases: list[Case], runs: int | None, freezes: FreezeMeter
    ) -> Iterator[Result]:
        """Yield the results of cases that share a graph; one that ends is replaced."""
        spec = cases[0].spec
        assert spec is not None  # noqa: S101  the caller has looked
        left = [self._begun(case) for case in cases]
        while left:
            try:
                with graph_under_test(self._root, spec) as graph:
                    while left and not _has_ended(graph):
                        if self._inject(left[0], graph, runs, freezes):
                            yield left.pop(0)
            except (FaultError, RunFailedError, OSError) as error:  # it does not start
                outcome = Outcome(detector="nobody", failures=(f"not injected: {error}",))
                left[0].outcomes.append(outcome)
                _show(left[0].case, outcome, "")
                yield left.pop(0)

    def _inject(
        self,
        result: Result,
        where: GraphUnderTest | Path,
        runs: int | None,
        freezes: FreezeMeter,
    ) -> bool:
        """Inject a fault until that is done, or its graph has ended: return which."""
        case = result.case
        while len(result.outcomes) < (runs or case.runs):
            if _has_ended(where):
                return False
            began_ns = time.monotonic_ns()
            outcome = _once(case, where, result.rng)
            froze_ms = freezes.longest_ms(began_ns, time.monotonic_ns())
            is_spoilt = bool(outcome.failures) and froze_ms > 0.0
            if is_spoilt and len(result.disturbed) < MAX_DISTURBED * case.runs:
                text = f"the machine stood still for {froze_ms:.0f} ms"
                result.disturbed.append(f"{text}: {'; '.join(outcome.failures)}")
                _show(case, outcome, text)
                continue
            result.outcomes.append(outcome)
            _show(case, outcome, "")
            self._keep(result)
        return True

    def _keep(self, result: Result) -> None:
        path = self._folder / f"{result.case.fault}.json"
        outcomes = [asdict(outcome) for outcome in result.outcomes]
        document = {"entry": result.entry(), "outcomes": outcomes}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document, indent=1))
        partial.replace(path)


def _has_ended(where: GraphUnderTest | Path) -> bool:
    return isinstance(where, GraphUnderTest) and where.run.child.poll() is not None


def _once(case: Case, where: GraphUnderTest | Path, rng: Random) -> Outcome:
    try:
        # A graph where the case has a spec, else the root: Case pairs the two.
        return case.run(where, rng)  # type: ignore[arg-type]
    except (FaultError, RunFailedError, OSError, ValueError) as error:
        text = f"{type(error).__name__}: {error}"
        return Outcome(detector="nobody", failures=(text,))


def _show(case: Case, outcome: Outcome, disturbance: str) -> None:
    verdict = "; ".join(outcome.failures) or "passed"
    if disturbance:
        verdict = f"repeated ({disturbance}): {verdict}"
    stop = "" if outcome.stop_ms is None else f", rest after {outcome.stop_ms:.0f} ms"
    print(f"{case.fault:5} {case.title}{stop}: {verdict}", flush=True)


def missing(case: Case) -> list[str]:
    """Return what a case needs and this machine lacks."""
    return [n for n in case.needs if not Path(n).exists() and not shutil.which(n)]


def kept_entries(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of all faults that were ever injected into `folder`."""
    found = []
    for case in all_cases():
        path = folder / f"{case.fault}.json"
        if path.is_file():
            found.append(json.loads(path.read_text())["entry"])
    return found
