"""What a worker does beside its run: tell how it goes, and end when nobody waits."""

import io
import os

import pytest
from fake_results import episode

from ur5_rl_experiments import worker


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
