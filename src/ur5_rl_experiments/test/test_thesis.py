"""The table of the comparison, against tables 5.1 and 5.2."""

import pytest

from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.thesis import SCALES, runs


def test_the_full_table_is_that_of_the_thesis():
    table = list(runs(SCALES["full"]))
    assert len(table) == 2 * 3 * 3 * 5
    assert len({run.name for run in table}) == len(table)
    sizes = {
        run.group.split("/")[1]: (
            run.config.learner.width_px,
            run.config.learner.height_px,
            run.config.learner.batch_size,
            run.config.learner.network.cropped,
        )
        for run in table
    }
    assert sizes == {
        "baseline": (160, 90, 128, (88, 156)),
        "high_resolution": (320, 180, 128, (176, 314)),
        "large_mini_batch": (160, 90, 512, (88, 156)),
    }
    assert {run.config.minutes for run in table} == {120.0}


def test_async_runs_act_every_40_ms_and_sequential_ones_as_their_work_allows():
    periods = {}
    for run in runs(SCALES["full"], seeds=1, tasks=["reaching"]):
        _, setting, architecture = run.group.split("/")
        periods[setting, architecture] = round(1000 * run.config.period_s)
    assert {v for k, v in periods.items() if k[1] != "sequential"} == {40}
    assert [periods[s, "sequential"] for s in SCALES["full"].learners] == [80, 120, 200]


def test_the_full_table_learns_as_table_5_3_says():
    for run in runs(SCALES["full"], seeds=1):
        learner, table = run.config.learner, LearnerConfig()
        for name in ("discount", "n_step", "initial_temperature", "critic_layer_norm"):
            assert getattr(learner, name) == getattr(table, name)
        assert learner.cycle_discount == 0.99


def test_in_the_small_table_returns_reach_as_far_in_seconds_whatever_the_cycle():
    for run in runs(SCALES["small"], seeds=1):
        learner = run.config.learner
        assert learner.cycle_discount == pytest.approx(
            0.97 ** (learner.action_period_s / 0.04)
        )
        assert (
            learner.n_step
            == {0.04: 3, 0.08: 2, 0.12: 1, 0.2: 1}[round(learner.action_period_s, 3)]
        )


def test_only_the_baseline_is_capped_at_one_update_a_step():
    for run in runs(SCALES["small"], seeds=1):
        _, setting, architecture = run.group.split("/")
        is_capped = setting == "baseline" or architecture == "sequential"
        limit = 1.0 if is_capped else 0.0  # 0: none
        assert run.config.learner.updates_per_transition == limit


@pytest.mark.parametrize("scale", SCALES)
def test_the_large_mini_batch_is_four_times_the_baseline(scale):
    learners = SCALES[scale].learners
    base, large = learners["baseline"], learners["large_mini_batch"]
    assert large.batch_size == 4 * base.batch_size
    assert learners["high_resolution"].width_px == 2 * base.width_px


def test_seeds_come_one_after_the_other_so_that_a_part_compares():
    table = list(runs(SCALES["small"], seeds=2, tasks=["reaching"]))
    assert [run.config.learner.seed for run in table] == [0] * 9 + [1] * 9


def test_a_part_of_the_table_can_be_chosen():
    table = list(
        runs(
            SCALES["small"],
            tasks=["tracking"],
            settings=["baseline"],
            architectures=["async_1"],
            seeds=1,
            minutes=3.0,
        )
    )
    assert [run.group for run in table] == ["tracking/baseline/async_1"]
    assert table[0].config.minutes == 3.0
