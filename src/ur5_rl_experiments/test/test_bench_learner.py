"""`bench learner`: its arithmetic by hand, its report, the same loss on both sides."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sac_learner.core.batch import on_device
from sac_learner.core.config import LearnerConfig
from sac_learner.core.sac import Sac
from ur5_rl_experiments.bench import learner, update_work
from ur5_rl_experiments.bench.update_cost import (
    Wanted,
    episode_steps,
    published_learner,
    random_batch,
)

TINY = Wanted(
    "ours", (80, 45), 4, threads=1, pairs=1, hidden=16, stored_bytes=10**5, product=32
)
BASELINE = LearnerConfig()  # 160 x 90, seen as 156 x 88 after the crop


def test_convolutions_of_the_baseline_cost_what_a_hand_counts():
    # 88 x 156 -> 43 x 77 -> 21 x 38 -> 10 x 18 -> 8 x 16, 32 filters of 3 x 3
    assert update_work.convolutions(BASELINE.network) == [
        2 * 43 * 77 * 32 * 9 * 9,
        2 * 21 * 38 * 32 * 32 * 9,
        2 * 10 * 18 * 32 * 32 * 9,
        2 * 8 * 16 * 32 * 32 * 9,
    ]
    forward = sum(update_work.convolutions(BASELINE.network))
    assert forward == pytest.approx(37.6e6, rel=0.002)


def test_fully_connected_layers_cost_what_a_hand_counts():
    network = replace(BASELINE, hidden_size=100).network
    assert network.latent_size == 79
    assert update_work.actor(network) == [2 * 7900, 2 * 10_000, 2 * 1000]
    assert update_work.critics(network) == [4 * 8400, 4 * 10_000, 4 * 100]


def test_an_update_costs_three_passes_one_way_back_and_half_an_actor_step():
    config = replace(BASELINE, hidden_size=100)
    convolutions, first = 37_550_016, 17_164_224
    actor, actor_first, critics = 37_800, 15_800, 74_000
    critic_step = 3 * convolutions + (2 * convolutions - first) + actor + 4 * critics
    actor_step = actor + (2 * actor - actor_first) + 2 * critics
    assert update_work.update_flop(config) == critic_step + actor_step / 2
    without = replace(config, target_encoder=False)
    saved = update_work.update_flop(config) - update_work.update_flop(without)
    assert saved == convolutions


def test_the_crop_is_the_thesis_share_but_never_nothing():
    def crop(shape):
        config = TINY._replace(shape=shape).config
        return config.crop_rows, config.crop_columns

    assert crop((160, 90)) == (1, 2)
    assert crop((320, 180)) == (2, 3)
    assert crop((80, 45)) == (1, 1)


def test_both_sides_begin_with_the_same_loss_on_the_same_batch():
    config = replace(TINY.config, precision="fp32")
    sac, plain, batch = Sac(config), published_learner(config), random_batch(config)
    sac.update(batch)
    plain.update(on_device(batch, torch.device("cpu")))
    loss = plain.losses["critic_loss"]
    assert loss > 0.0
    assert sac.metrics()["critic_loss"] == pytest.approx(loss, rel=1e-4)


def test_every_stored_step_brings_one_frame_but_the_first_a_whole_stack():
    steps = episode_steps(TINY.config, np.random.default_rng(0), 4)
    assert [len(step.frames) for step in steps] == [3, 1, 1, 1]
    assert [step.is_first for step in steps] == [True, False, False, False]


def lap(ours, plain, tuned, loss=1.0):
    def child(update_ms, its_loss):
        return {
            "update_ms": update_ms, "sample_ms": 0.1 * update_ms, "loss": its_loss,
            "peak_gflop_s": 100.0,
        }  # fmt: skip

    return {
        "ours": child(ours, loss),
        "plain": child(plain, 1.0),
        "plain_tuned": child(tuned, 1.0),
    }


def test_a_row_takes_the_median_of_the_rounds():
    laps = [lap(10.0, 200.0, 90.0), lap(11.0, 220.0, 99.0), lap(50.0, 230.0, 30.0)]
    row = learner.row(TINY, laps)
    assert (row["update_ms"], row["plain_update_ms"]) == (11.0, 220.0)
    assert row["plain_tuned_update_ms"] == 90.0
    assert row["plain_tuned_sample_ms"] == pytest.approx(9.0)
    assert row["ratios"]["update"] == pytest.approx(20.0)
    flop = update_work.update_flop(TINY.config)
    assert row["gflop_s"] == pytest.approx(TINY.batch * flop / 0.011 / 1e9)


@pytest.mark.parametrize(
    ("lap_", "is_met"),
    [
        (lap(10.0, 100.0, 25.0), True),
        (lap(10.0, 29.0, 25.0), False),  # 3 times is the bar
        (lap(10.0, 100.0, 24.0), False),  # 2.5 times is the bar
        (lap(10.0, 100.0, 25.0, loss=1.03), False),  # not the same computation
    ],
)
def test_a_bar_that_is_missed_is_said(lap_, is_met):
    row = learner.row(TINY, [lap_])
    assert row["meets_bars"] is is_met
    assert learner.table([row]).endswith("met" if is_met else "missed")


def test_on_a_gpu_the_updates_of_a_second_count_too():
    wanted = TINY._replace(shape=(160, 90), batch=128, device="cuda")
    assert learner.row(wanted, [lap(2.0, 100.0, 25.0)])["meets_bars"]
    slow = learner.row(wanted, [lap(2.1, 100.0, 25.0)])  # 476 of 500
    assert not slow["meets_bars"]
    assert "updates/s 500, 200, 200: missed" in learner.table([slow])


def test_what_is_sampled_does_not_fit_the_cache():
    for shape, batch in learner.CASES:
        wanted = Wanted("ours", shape, batch, threads=1)
        assert wanted.stored * 3 * shape[0] * shape[1] > 1e8
        assert wanted.stored > batch


@pytest.mark.timeout(600)  # seconds of work, but the machine may be busy
def test_a_quick_run_writes_a_row_with_both_sides(tmp_path, capsys):
    path = tmp_path / "learner.json"
    words = ["--quick", "--threads", "1", "--report", str(path)]
    code = learner.main(tmp_path, words)
    (row,) = json.loads(path.read_text())
    assert code == (0 if row["meets_bars"] else 1)
    assert row["losses_agree"]
    assert (row["shape"], row["batch"], row["device"]) == ([80, 45], 8, "cpu")
    for side in ("", "plain_", "plain_tuned_"):
        assert row[f"{side}update_ms"] > 0.0
        assert row[f"{side}sample_ms"] > 0.0
    assert "80x45" in capsys.readouterr().out


@pytest.mark.timeout(600)
def test_fault_a_child_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="height_px"):
        learner._child(TINY._replace(shape=(10, 10)))
