"""What `bench timing` measures becomes a table and a costs file of the experiment."""

import json

import pytest

from sac_learner.core.process_environment import MALLOC_ENVIRONMENT
from ur5_rl_experiments import experiment
from ur5_rl_experiments.bench import timing
from ur5_rl_experiments.bench.components import Durations, _measured
from ur5_rl_experiments.bench.timing import Timing
from ur5_rl_experiments.core.costs import THESIS_COSTS, Costs
from ur5_rl_experiments.core.thesis import SETTINGS


@pytest.fixture(autouse=True)
def _has_the_allocator_settings(monkeypatch):
    """Without them the bench would replace this process by itself."""
    for name, value in MALLOC_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def all_of(mean_s, p50_s, p99_s):
    return Timing(*(Durations(mean_s, p50_s, p99_s) for _ in Timing._fields))


def test_costs_are_medians_but_an_update_is_the_mean_of_pairs():
    costs = all_of(0.003, 0.002, 0.009).costs
    assert costs == Costs(
        action_s=0.002, sampling_s=0.002, update_s=0.003, environment_s=0.002
    )


def test_the_report_is_a_costs_file_of_the_experiment(tmp_path):
    timings = {
        name: all_of(0.003 + i, 0.002 + i, 0.009) for i, name in enumerate(SETTINGS)
    }
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(timing.report(timings, threads=2)))
    read = experiment._costs(path)
    assert read == {name: t.costs for name, t in timings.items()}


def test_the_report_says_whether_acting_was_fast_enough():
    at_bar = timing.MAX_ACTION_P99_S
    for p99_s, is_met in ((at_bar, True), (1.01 * at_bar, False)):
        timings = {"baseline": all_of(0.1, 0.1, p99_s)}
        assert timing.report(timings, threads=2)["details"]["meets_bar"] is is_met


def test_the_table_puts_the_thesis_beside_what_was_measured():
    thesis = THESIS_COSTS["baseline"]
    *_, here, there = timing.table({"baseline": thesis}).splitlines()
    assert here.split()[2:] == there.split()[1:]
    # 2 + 21 + 24 + 5 = 52 ms: two camera periods; 1 / 45 ms; 1 / 24 ms
    assert there.split()[1:] == [
        "2.00", "21.00", "24.0", "5.00", "52.0", "80", "22.2", "41.7",
    ]  # fmt: skip


def test_updates_at_once_are_as_fast_as_the_slower_of_the_two():
    costs = Costs(sampling_s=0.086, update_s=0.068)
    in_turn, at_once = timing.updates_per_s(costs)
    assert in_turn == pytest.approx(1.0 / 0.154)
    assert at_once == pytest.approx(1.0 / 0.086)


def test_each_lap_has_its_calls_after_those_for_nothing():
    calls = []
    durations = _measured(lambda: calls.append(1), laps=3, calls=7, warm_up=2)
    assert len(calls) == 2 + 3 * 7
    assert 0.0 < durations.p50_s <= durations.p99_s


@pytest.mark.timeout(600)  # seconds of work, but the machine may be busy
def test_a_quick_run_measures_every_component_of_every_setting(tmp_path, capsys):
    path = tmp_path / "timing.json"
    code = timing.main(tmp_path, ["--quick", "--report", str(path)])
    costs = experiment._costs(path)
    assert all(value > 0.0 for c in costs.values() for value in vars(c).values())
    details = json.loads(path.read_text())["details"]
    assert code == (0 if details["meets_bar"] else 1)
    assert details["baseline"].keys() == set(Timing._fields)
    printed = capsys.readouterr().out
    assert all(f"{name} here" in printed for name in SETTINGS)
