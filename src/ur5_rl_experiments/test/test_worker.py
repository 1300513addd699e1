"""What a worker does beside its run: tell how it goes, and end when nobody waits."""

import io
import os
from dataclasses import fields

import pytest
from fake_results import episode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sac_learner.core.config import LearnerConfig
from sac_learner.core.sac import Metrics
from ur5_rl_bringup.core.samples import LearnerSample
from ur5_rl_experiments import worker
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.core.virtual_run import RunConfig
from ur5_rl_experiments.run_pool import RunPool

TINY = LearnerConfig(
    height_px=36, width_px=64, crop_columns=1, strides=(2, 2, 1, 1), hidden_size=8,
    batch_size=2, learning_starts=100, updates_per_transition=0.1, threads=1,
)  # fmt: skip


def test_every_tenth_episode_is_told_with_the_mean_of_ten():
    episodes = [episode(k / 10.0, float(k)) for k in range(25)]
    progress = io.StringIO()
    assert list(worker._followed(iter(episodes), os.getppid(), progress)) == episodes
    first, second = progress.getvalue().splitlines()
    assert first == "0.9 min, 1720 steps, 630 updates, return 4.5"
    assert second.endswith("return 14.5")


def test_fault_a_worker_whose_parent_has_gone_ends():
    begun = []
    episodes = (begun.append(k) or episode(k, 1.0) for k in range(5))
    with pytest.raises(SystemExit) as end:
        list(worker._followed(episodes, -1, io.StringIO()))
    assert end.value.code == worker.EXIT_ORPHANED
    assert begun == [0]


def test_a_run_leaves_curves_under_the_names_that_a_graph_has(tmp_path):
    run = Run(group="a", config=RunConfig(learner=TINY, minutes=0.2))
    (tmp_path / "a__0" / "events").mkdir(parents=True)
    (tmp_path / "a__0" / "events" / "events.out.tfevents.of_one_that_died").touch()
    with RunPool(tmp_path, 1, "abc") as pool:
        assert pool.execute([run]) == []
    assert len(list((tmp_path / "a__0" / "events").iterdir())) == 1
    curves = EventAccumulator(str(tmp_path / "a__0" / "events")).Reload()
    names = set(curves.Tags()["scalars"])
    learner = {name for name in names if name.startswith("learner/")}
    assert learner == {"learner/updates"} | {f"learner/{n}" for n in Metrics._fields}
    assert learner <= {f"learner/{field.name}" for field in fields(LearnerSample)}
    assert names - learner == {
        "episode/return", "episode/limited_steps", "timing/policy_age_mean_s"
    }  # fmt: skip
    returns = curves.Scalars("episode/return")
    assert [point.step for point in returns] == [200, 300]  # of 100 each, after a start
    assert all(0.0 < p.value < 0.2 for p in curves.Scalars("learner/temperature"))
