"""Learning in virtual time: who waits for whom, and for how long."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from sac_learner.core.architectures import (
    ARCHITECTURES,
    ASYNC_1,
    ASYNC_2,
    SEQUENTIAL,
)
from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.costs import THESIS_COSTS, Costs
from ur5_rl_experiments.core.virtual_run import RunConfig, VirtualRun

SMALL = LearnerConfig(
    height_px=36,
    width_px=64,
    crop_columns=1,
    strides=(2, 2, 1, 1),
    hidden_size=8,
    batch_size=2,
    learning_starts=100,
    replay_capacity=10_000,
    threads=1,
)
FREE = replace(SMALL, updates_per_transition=0.0)
LARGE = THESIS_COSTS["large_mini_batch"]


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def run(architecture, *, learner=FREE, costs=LARGE, minutes=0.2, **others):
    if architecture == SEQUENTIAL:
        learner = replace(
            learner,
            updates_per_transition=1.0,
            action_period_s=costs.sequential_period_s(),
        )
    learner = replace(learner, architecture=architecture)
    config = RunConfig(costs=costs, learner=learner, minutes=minutes, **others)
    some_run = VirtualRun(config)
    return some_run, list(some_run.episodes())


def test_table_5_2_asks_for_the_action_periods_of_section_5_2():
    periods = {n: c.sequential_period_s() for n, c in THESIS_COSTS.items()}
    assert periods == pytest.approx(
        {"baseline": 0.08, "high_resolution": 0.12, "large_mini_batch": 0.2}
    )
    totals = [1000 * costs.in_line_s() for costs in THESIS_COSTS.values()]
    assert totals == pytest.approx([52, 118, 161])


@pytest.mark.parametrize(("architecture", "per_s"), [(ASYNC_1, 6.5), (ASYNC_2, 11.6)])
def test_free_updates_come_at_the_rate_that_their_costs_allow(architecture, per_s):
    """Async-1 takes the sum of sampling and updating, Async-2 the longer of the two."""
    _, episodes = run(architecture)
    first, last = episodes[0], episodes[-1]
    rate = (last.updates - first.updates) / (last.begin_s - first.begin_s)
    assert rate == pytest.approx(per_s, rel=0.03)


@pytest.mark.parametrize("architecture", [ASYNC_1, ASYNC_2])
@pytest.mark.parametrize("learner", [FREE, SMALL], ids=["free", "capped"])
def test_nothing_is_drawn_or_paid_for_by_what_has_not_happened_yet(architecture, learner):
    """At each beginning the learner has the transitions that came before it."""
    costs = THESIS_COSTS["baseline"]
    learner = replace(learner, architecture=architecture)
    some_run = VirtualRun(RunConfig(costs=costs, learner=learner, minutes=0.2))
    learner_, begun = some_run._learner, []
    schedule = learner_._schedule

    def watched(at_s, is_update, batch):
        begin_s = at_s - (costs.update_s if is_update else costs.sampling_s)
        begun.append((begin_s, some_run.env_steps, learner_.updates))
        schedule(at_s, is_update, batch)

    learner_._schedule = watched
    episodes = list(some_run.episodes())
    steps_s = [e.begin_s + 0.04 * k for e in episodes for k in range(1, 101)]
    assert len(begun) > 200
    for begin_s, env_steps, updates in begun:
        since_start = env_steps - learner.learning_starts
        before, until = np.searchsorted(steps_s, [begin_s - 1e-9, begin_s + 1e-9])
        assert before <= since_start <= until  # of two at one instant either is first
        assert learner.updates_per_transition == 0.0 or updates <= since_start


def test_sequential_takes_one_update_a_step_and_none_in_a_reset():
    some_run, episodes = run(SEQUENTIAL, learner=SMALL)
    assert some_run.config.period_s == pytest.approx(0.2)
    assert some_run.config.steps_per_episode == 20
    per_episode = np.diff([0, *(episode.updates for episode in episodes)])
    assert per_episode[1:].tolist() == [20] * (len(episodes) - 1)
    assert np.diff([e.begin_s for e in episodes]) == pytest.approx(7.0)


def test_a_sequential_step_after_a_random_start_of_any_length_holds_its_work():
    """33 steps an episode: 132 before the first update, where 100 were asked for."""
    costs = THESIS_COSTS["high_resolution"]
    learner = replace(
        SMALL, architecture=SEQUENTIAL, action_period_s=costs.sequential_period_s()
    )
    some_run = VirtualRun(RunConfig(costs=costs, learner=learner, minutes=0.1))
    delays_s, step = [], some_run._world.step
    some_run._world.step = lambda action, delay_s: (
        delays_s.append(delay_s) or step(action, delay_s)
    )
    first = next(some_run.episodes())
    assert first.env_steps == 5 * 33
    assert max(delays_s) <= some_run.config.period_s
    assert first.updates == 33 - 1  # the last transition's comes with the next action


def test_in_the_capped_baseline_each_transition_has_its_update():
    for architecture in (ASYNC_1, ASYNC_2):
        _, episodes = run(architecture, learner=SMALL, costs=THESIS_COSTS["baseline"])
        last = episodes[-1]
        allowed = last.env_steps - SMALL.learning_starts
        assert 0 <= allowed - last.updates < 100  # at most an episode behind


def test_the_next_action_of_sequential_waits_for_the_update_and_no_other_does():
    ages = {a: run(a)[1][-1].policy_age_s for a in ARCHITECTURES}
    # In line the policy is as old as choosing and observing take.
    assert ages[SEQUENTIAL] == pytest.approx(LARGE.response_s, abs=1e-6)
    assert ages[ASYNC_2] < ages[ASYNC_1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_is_the_same_every_time_it_is_run(architecture):
    (one, first), (other, second) = run(architecture), run(architecture)
    assert first == second
    for a, b in zip(one.sac.state().values(), other.sac.state().values(), strict=True):
        assert torch.equal(a, b)


def test_seeds_differ():
    returns = [
        run(ASYNC_2, learner=replace(FREE, seed=s))[1][0].return_sum for s in (0, 1)
    ]
    assert returns[0] != returns[1]


def test_the_random_start_is_no_part_of_the_run():
    _, episodes = run(ASYNC_2)
    assert episodes[0].begin_s == 0.0
    assert episodes[0].env_steps == 200  # a hundred before it, a hundred of its own


def test_a_run_ends_after_its_number_of_steps():
    _, episodes = run(ASYNC_2, minutes=99.0, env_steps=400)
    assert episodes[-1].env_steps == 400


def test_the_shortest_run_ends_after_the_random_start_in_whole_episodes():
    """33 steps an episode: where 100 are asked for, 132 come before the first update."""
    costs = THESIS_COSTS["high_resolution"]
    period_s = costs.sequential_period_s()
    learner = replace(SMALL, architecture=SEQUENTIAL, action_period_s=period_s)
    with pytest.raises(ValueError, match="the 132 of the random start, got 132"):
        RunConfig(costs=costs, learner=learner, env_steps=132)
    shortest = RunConfig(costs=costs, learner=learner, env_steps=133)
    assert len(list(VirtualRun(shortest).episodes())) == 1


def test_fault_an_action_period_shorter_than_the_work_in_line_is_refused():
    with pytest.raises(ValueError, match="action_period_s"):
        RunConfig(costs=LARGE, learner=replace(SMALL, architecture=SEQUENTIAL))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"task": "static"}, "task"),
        ({"minutes": 0.0}, "minutes"),
        ({"minutes": float("inf")}, "minutes"),
        ({"env_steps": -1}, "env_steps must be 0 or more than the 1000 .* got -1"),
        ({"env_steps": 1000}, "env_steps must be 0 or more than the 1000 .* got 1000"),
    ],
)
def test_fault_a_run_that_cannot_be_is_refused_by_name(changed, name):
    with pytest.raises(ValueError, match=name):
        RunConfig(**changed)


@pytest.mark.parametrize("value", [-0.001, float("nan"), float("inf")])
def test_fault_a_cost_that_is_no_duration_is_refused_by_name(value):
    with pytest.raises(ValueError, match="update_s"):
        Costs(update_s=value)
