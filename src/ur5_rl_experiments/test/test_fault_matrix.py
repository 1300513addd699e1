"""The order of injections, without a graph: what ends one, and what cannot start."""

import json
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults import matrix
from ur5_rl_experiments.faults.case import Case
from ur5_rl_experiments.faults.graph_under_test import FaultError, GraphUnderTest
from ur5_rl_experiments.faults.matrix import Harness, Result
from ur5_rl_experiments.faults.published import PAGE, RECORD, publish

PASSED = Outcome(detector="somebody")
FAILED = Outcome(detector="nobody", failures=("it went wrong",))


class FakeGraph(GraphUnderTest):
    """One that ends when it is told to."""

    def __init__(self):
        self.code = None
        self.run = SimpleNamespace(child=SimpleNamespace(poll=lambda: self.code))


class FakeFreezes:
    """A machine that stands still as often as it is told to."""

    def __init__(self, still_ms=()):
        self.still_ms = list(still_ms)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def longest_ms(self, *_):
        return self.still_ms.pop(0) if self.still_ms else 0.0


@pytest.fixture
def started(monkeypatch):
    """The graphs that the harness has started."""
    graphs = []

    @contextmanager
    def graph_under_test(root, spec):
        graphs.append(FakeGraph())
        yield graphs[-1]

    monkeypatch.setattr(matrix, "graph_under_test", graph_under_test)
    monkeypatch.setattr(matrix, "FreezeMeter", FakeFreezes)
    return graphs


def case(fault, run, runs=4):
    return Case(fault=fault, title="", injection="", limit="", run=run, runs=runs)


def test_cases_with_one_way_to_start_share_a_graph(started, tmp_path):
    cases = [case(name, lambda *_: PASSED) for name in ("F1", "F2")]
    results = list(Harness(tmp_path, tmp_path, 0).run(cases, None))
    assert [len(r.outcomes) for r in results] == [4, 4]
    assert len(started) == 1
    assert json.loads((tmp_path / "F2.json").read_text())["entry"]["passed"] == 4


def test_a_graph_that_ends_is_replaced_and_the_case_goes_on(started, tmp_path):
    def run(graph, rng):
        if len(started) < 3:
            graph.code = 1  # the first two do not survive it
            return FAILED
        return PASSED

    (result,) = Harness(tmp_path, tmp_path, 0).run([case("F1", run)], None)
    assert [o.failures for o in result.outcomes] == [("it went wrong",)] * 2 + [()] * 2
    assert len(started) == 3


def test_fault_a_graph_that_does_not_start_fails_the_case_and_not_the_matrix(
    monkeypatch, started, tmp_path
):
    @contextmanager
    def refuses(root, spec):
        raise FaultError("no episode")
        yield

    monkeypatch.setattr(matrix, "graph_under_test", refuses)
    cases = [case(name, lambda *_: PASSED) for name in ("F1", "F2")]
    results = list(Harness(tmp_path, tmp_path, 0).run(cases, None))
    assert ["no episode" in r.outcomes[0].failures[0] for r in results] == [True, True]


def test_a_failure_while_the_machine_stood_still_is_repeated(
    monkeypatch, started, tmp_path
):
    monkeypatch.setattr(matrix, "FreezeMeter", lambda: FakeFreezes([40.0]))
    told = [FAILED, PASSED, PASSED, FAILED, PASSED]
    (result,) = Harness(tmp_path, tmp_path, 0).run(
        [case("F1", lambda *_: told.pop(0))], None
    )
    assert result.disturbed == ["the machine stood still for 40 ms: it went wrong"]
    assert result.entry()["passed"] == 3


def result(fault, runs, passed, commit):
    failed = [FAILED] * (runs - passed)
    result = Result(case(fault, None), Random(0), commit, [PASSED] * passed + failed)
    return result.entry()


def test_what_is_injected_anew_replaces_what_is_published_and_nothing_else(tmp_path):
    (tmp_path / PAGE.parent).mkdir()
    publish(tmp_path, [result("F2", 10, 10, "old"), result("F1", 50, 49, "old")])
    publish(tmp_path, [result("F1", 50, 50, "new")])
    record = json.loads((tmp_path / RECORD).read_text())
    assert [(e["fault"], e["passed"], e["commit"]) for e in record] == [
        ("F1", 50, "new"),
        ("F2", 10, "old"),
    ]
    text = (tmp_path / PAGE).read_text()
    assert "60 of 60 injections passed" in text
    assert "it went wrong" not in text
    assert "F1e (0 of 50)" in text  # what is planned and was never injected


def test_the_page_is_what_its_record_says(tmp_path):
    root = Path(__file__).parents[3]
    (tmp_path / PAGE.parent).mkdir()
    publish(tmp_path, json.loads((root / RECORD).read_text()))
    written, published = (
        [line for line in (place / PAGE).read_text().splitlines() if line.startswith("|")]
        for place in (tmp_path, root)
    )
    assert written == published
