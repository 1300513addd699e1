"""The three architectures through the whole graph, chosen by one word."""

import json

import pytest

from running_graph import shared_graph
from ur5_rl_experiments.faults.case import killed
from ur5_rl_experiments.faults.graph_under_test import GraphSpec
from ur5_rl_interfaces.msg import EpisodeSummary

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.timeout(300)]

STARTS = 50
# Learn after two seconds, one update a transition, and tell each second.
PARAMETERS = {
    "learner_node": {
        "learning_starts": STARTS,
        "updates_per_transition": 1.0,
        "checkpoint_period_s": 5.0,
        "batch_size": 16,
    },
    "monitor_node": {"report_period_s": 1.0},
    # A busy machine is slow; but no learner that is started anew is there before.
    "env_node": {"max_learner_wait_s": 2.0},
}
# 50 ms until a command is old, a cycle, 0.7 rad/s at 4 rad/s^2, and a slow machine.
BRAKE_LIMIT_MS, REST_LIMIT_MS = 60.0 + 150.0, 250.0 + 150.0


@pytest.fixture
def soon(tmp_path):
    """Return a file of the parameters above."""
    path = tmp_path / "soon.json"
    values = {f"/**/{k}": {"ros__parameters": v} for k, v in PARAMETERS.items()}
    path.write_text(json.dumps(values))
    return str(path)


def test_one_number_changes_the_action_cycle_of_every_node(start):
    words = ["--policy", "servo", "--action-period-ms", "80", "--episodes", "2"]
    run = start("sim", *words)
    assert run.finish(timeout_s=60.0) == 0, run.output
    report = run.report()
    whole = [e for e in report["episodes"] if e["end"] == "time_limit"]
    assert {e["steps"] for e in whole} == {50}
    assert report["cycle_ms"]["mean"] == pytest.approx(80.0, abs=2.0)
    # The same 4 s are worth the same: rewards scale with the cycle.
    assert all(e["return"] > 200.0 for e in whole)


@pytest.mark.parametrize("architecture", ["async_1", "async_2"])
def test_asynchronous_ones_keep_the_cycle_whatever_the_learner_does(
    start, soon, architecture
):
    run = start("sim", "--architecture", architecture, "--params", soon)
    run.wait_until(lambda: run.told("updates") > 0, timeout_s=90.0)
    shown = run.episodes_shown()
    run.wait_until(lambda: run.episodes_shown() >= shown + 2, timeout_s=40.0)
    assert run.stop() < 5.0
    report = run.report()
    assert report["learner"]["architecture"] == architecture
    assert report["cycle_ms"]["mean"] == pytest.approx(40.0, abs=2.0)
    assert report["learner_wait_ms"]["count"] == 0
    assert report["transitions"]["lost"] == 0
    assert report["learner"]["update_to_data_ratio"] <= 1.0


@pytest.fixture(scope="module")
def sequential(tmp_path_factory):
    """Return what returns a sequential graph that has run for three episodes."""
    spec = GraphSpec(words=("--architecture", "sequential"), parameters=PARAMETERS)
    run_dir = tmp_path_factory.mktemp("sequential") / "run"
    with shared_graph(spec, run_dir) as running:

        def sequential():
            graph = running()
            graph.wait("three episodes", lambda: _episodes(graph) >= 3, 110.0)
            return graph

        yield sequential


def test_sequential_takes_one_update_a_transition_and_acts_by_it(sequential):
    report = _report(sequential())
    learner = report["learner"]
    behind = learner["env_steps"] - STARTS - learner["updates"]
    assert behind in (0, 1)  # the status may come between step and update
    assert report["transitions"]["lost"] == 0
    assert report["learner_wait_ms"]["count"] == report["cycle_ms"]["count"]
    assert report["policy_age_s"]["p50"] < 0.1  # by the newest update, each time
    assert report["cycle_ms"]["mean"] >= 39.5


def test_fault_sequential_a_killed_learner_rests_the_arm_and_comes_back(sequential):
    graph = sequential()
    graph.await_motion(0.1)  # a young policy hesitates, but it never rests
    outcome = killed(
        graph,
        "learner_node",
        "env_node: no turn ends; arm_node: age of the command",
        brake_limit_ms=BRAKE_LIMIT_MS,
        stop_limit_ms=REST_LIMIT_MS,
    )
    assert outcome.failures == ()
    assert "END: learner did not finish" in graph.run.log_path.read_text()
    episodes = _episodes(graph)
    graph.wait("an episode", lambda: _episodes(graph) > episodes, 60.0)
    assert graph.stop() < 5.0
    assert _report(graph)["transitions"]["lost"] == 0


def _episodes(graph) -> int:
    return len(graph.ear.all_since(EpisodeSummary, 0))


def _report(graph) -> dict:
    return json.loads((graph.run.run_dir / "report.json").read_text())
