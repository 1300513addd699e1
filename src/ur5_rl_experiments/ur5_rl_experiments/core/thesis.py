"""The thesis' comparison as a table: 2 tasks x 3 settings x 3 architectures x seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType

from sac_learner.core.architectures import ARCHITECTURES, SEQUENTIAL
from sac_learner.core.config import LearnerConfig
from ur5_rl_env.core.task import ACTION_PERIOD_S
from ur5_rl_experiments.core.costs import THESIS_COSTS, Costs
from ur5_rl_experiments.core.virtual_run import TASKS, RunConfig

SETTINGS = tuple(THESIS_COSTS)
FREE_RUNNING = 0.0  # no limit of the updates per transition


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the three settings are, and how long a run takes.

    Attributes:
        learners: By setting: image, mini-batch and network.
        minutes: Virtual time of a run [min].
        seeds: Runs of each cell.
    """

    learners: MappingProxyType[str, LearnerConfig]
    minutes: float
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell of a table, once.

    Attributes:
        group: What its seeds share, for example "reaching/baseline/async_2".
        config: What to run.
    """

    group: str
    config: RunConfig

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.group.replace('/', '__')}__{self.config.learner.seed}"


def _learners(
    base: LearnerConfig, high: LearnerConfig
) -> MappingProxyType[str, LearnerConfig]:
    """Return the three settings; only the baseline is capped: section 7.1."""
    return MappingProxyType(
        {
            "baseline": base,
            "high_resolution": replace(high, updates_per_transition=FREE_RUNNING),
            "large_mini_batch": replace(
                base,
                batch_size=4 * base.batch_size,
                updates_per_transition=FREE_RUNNING,
            ),
        }
    )


# Table 5.1, and versions for a machine with two cores: each side of the image is 0.4 of
# the thesis', mini-batches are a quarter; the costs in virtual time stay the thesis'. In
# 30 minutes table 5.3 learns little, so "small" learns as the cpu preset does, with the
# thesis' target entropy; "small_table_5_3" keeps to the thesis. Where an image is small
# the third stride is 1: of where things are, feature maps below 5 x 10 say little.
_SMALL_TABLE_5_3 = LearnerConfig(
    height_px=36,
    width_px=64,
    crop_rows=2,
    crop_columns=3,
    strides=(2, 2, 1, 1),
    hidden_size=256,
    batch_size=32,
    threads=1,
)
_SMALL = replace(
    _SMALL_TABLE_5_3,
    critic_layer_norm=True,
    n_step=3,
    discount=0.97,
    discount_period_s=ACTION_PERIOD_S,
    initial_temperature=0.04,
    temperature_learning_rate=3e-4,
)


def _small(base: LearnerConfig) -> Scale:
    high = replace(
        base,
        height_px=72,
        width_px=128,
        crop_rows=4,
        crop_columns=6,
        strides=(2, 2, 2, 1),
    )
    return Scale(learners=_learners(base, high), minutes=30.0, seeds=3)


SCALES = MappingProxyType(
    {
        "full": Scale(
            learners=_learners(
                LearnerConfig(),
                LearnerConfig(height_px=180, width_px=320, crop_rows=2, crop_columns=3),
            ),
            minutes=120.0,
            seeds=5,
        ),
        "small": _small(_SMALL),
        "small_table_5_3": _small(_SMALL_TABLE_5_3),
    }
)


def runs(
    scale: Scale,
    *,
    tasks: Sequence[str] = TASKS,
    settings: Sequence[str] = SETTINGS,
    architectures: Sequence[str] = ARCHITECTURES,
    seeds: int | None = None,
    minutes: float | None = None,
    costs: Mapping[str, Costs] = THESIS_COSTS,
) -> Iterator[Run]:
    """Yield the runs of the table, seed by seed, so that a part of it says something.

    In sequential runs each step has its update, as published, whatever the cap.
    """
    for seed in range(scale.seeds if seeds is None else seeds):
        for task in tasks:
            for setting in settings:
                for architecture in architectures:
                    learner = _learner(
                        scale.learners[setting], architecture, costs[setting]
                    )
                    config = RunConfig(
                        task=task,
                        costs=costs[setting],
                        learner=replace(learner, seed=seed),
                        minutes=scale.minutes if minutes is None else minutes,
                    )
                    yield Run(group=f"{task}/{setting}/{architecture}", config=config)


def pairs(
    tasks: Sequence[str] = TASKS, settings: Sequence[str] = SETTINGS
) -> Iterator[tuple[str, str]]:
    """Yield the groups to compare: each architecture with those before it, by cell."""
    for task in tasks:
        for setting in settings:
            for later, earlier in combinations(reversed(ARCHITECTURES), 2):
                yield f"{task}/{setting}/{later}", f"{task}/{setting}/{earlier}"


def _learner(base: LearnerConfig, architecture: str, costs: Costs) -> LearnerConfig:
    """Return the learner of a cell; a sequential one acts as fast as its work allows.

    Its n steps then take about as long as those of the others.
    """
    if architecture != SEQUENTIAL:
        return replace(base, architecture=architecture)
    period_s = costs.sequential_period_s()
    return replace(
        base,
        architecture=SEQUENTIAL,
        updates_per_transition=1.0,
        action_period_s=period_s,
        n_step=max(1, round(base.n_step * base.action_period_s / period_s)),
    )
