"""Results of runs that nobody ran, for the tests of what is made of them."""

from dataclasses import replace

from ur5_rl_experiments.core.evaluation import EpisodeResult
from ur5_rl_experiments.core.run_result import RunResult
from ur5_rl_experiments.core.thesis import SCALES, Run, runs
from ur5_rl_experiments.core.virtual_run import EpisodeRecord


def table(seeds=2, **chosen):
    return list(runs(SCALES["small"], seeds=seeds, **chosen))


def episode(minute, returned):
    return EpisodeRecord(
        begin_s=60.0 * minute,
        return_sum=returned,
        env_steps=1000 + round(800 * minute),
        updates=round(700 * minute),
        policy_age_s=0.03,
        limited_steps=1,
    )


def evaluated(returned):
    return EpisodeResult(returned, 100, 1.5, 4.0, 0, 300.0)


def result(run: Run, level=100.0, *, minutes=None):
    """Return a run whose return rises from 0 to twice `level`."""
    minutes = run.config.minutes if minutes is None else minutes
    times = [minutes * k / 60.0 for k in range(60)]
    return RunResult(
        group=run.group,
        config=replace(run.config, minutes=minutes),
        episodes=tuple(episode(t, 2.0 * level * t / times[-1]) for t in times),
        evaluation=tuple(evaluated(2.0 * level) for _ in range(10)),
        wall_s=60.0,
        commit="0" * 40,
        computes_in="float32",
    )
