"""What a finished run leaves behind, as JSON that any program reads."""

import dataclasses
import json
import math
from typing import Any

import numpy as np

from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.costs import Costs
from ur5_rl_experiments.core.evaluation import EpisodeResult
from ur5_rl_experiments.core.virtual_run import EpisodeRecord, RunConfig

UNKNOWN = "unknown"  # what results computed in before they said it
MACHINE = ("device", "replay_device", "threads")  # where a run computes, not what it is


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run and what came of it.

    Attributes:
        group: What its seeds share.
        config: What was run.
        episodes: Of learning, after the random start, in order.
        evaluation: Noise-free episodes of the final policy.
        wall_s: Time that it took on the machine [s].
        commit: Of the program.
        computes_in: Number type of the passes, "bfloat16" or "float32"; precision "auto"
            leaves it to the machine.
    """

    group: str
    config: RunConfig
    episodes: tuple[EpisodeRecord, ...]
    evaluation: tuple[EpisodeResult, ...]
    wall_s: float
    commit: str
    computes_in: str = UNKNOWN

    @property
    def overall_return(self) -> float:
        """Mean return over the whole time of learning: "overall performance"."""
        return float(np.mean([episode.return_sum for episode in self.episodes]))

    @property
    def evaluation_return(self) -> float:
        """Mean return of the final policy without noise."""
        return float(np.mean([episode.return_sum for episode in self.evaluation]))


def to_json(result: RunResult) -> str:
    """Return a result as text that `result_from_json` reads back.

    Raises:
        ValueError: a number is not finite where only time to the centre may be.
    """
    values = dataclasses.asdict(result)
    values["evaluation"] = [_episode_values(episode) for episode in result.evaluation]
    return json.dumps(values, indent=1, allow_nan=False)


def result_from_json(text: str) -> RunResult:
    """Read what `to_json` wrote.

    Raises:
        ValueError: a field is missing, unknown or refused.
    """
    try:
        values = json.loads(text)
        return RunResult(
            **values
            | {
                "config": config_from(values["config"]),
                "episodes": tuple(EpisodeRecord(**e) for e in values["episodes"]),
                "evaluation": tuple(_episode_from(e) for e in values["evaluation"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no result of a run: {type(error).__name__} {error}") from None


def _episode_values(episode: EpisodeResult) -> dict[str, Any]:
    """Return JSON values; JSON knows no infinity: null is a dot that stayed away."""
    values = dataclasses.asdict(episode)
    return values if episode.is_centred else values | {"seconds_to_centre": None}


def _episode_from(values: dict[str, Any]) -> EpisodeResult:
    """Return what `_episode_values` gave, or older files hold: Infinity."""
    if values["seconds_to_centre"] is None:
        values = values | {"seconds_to_centre": math.inf}
    return EpisodeResult(**values)


def config_to_json(config: RunConfig) -> str:
    """Return a configuration as text that `config_from(json.loads(...))` takes."""
    return json.dumps(dataclasses.asdict(config), indent=1, allow_nan=False)


def changed(wanted: RunConfig, there: RunConfig) -> list[str]:
    """Return what is set otherwise in `there`, as "env_steps 2000, not 4000".

    Where a run computes does not count: a table may be finished on another machine.
    """
    ours, theirs = _flat(wanted), _flat(there)
    return [
        f"{name} {theirs[name]}, not {value}"
        for name, value in ours.items()
        if theirs[name] != value and name not in MACHINE
    ]


def _flat(config: RunConfig) -> dict[str, Any]:
    """Return the fields of a configuration and of its parts under their own names."""
    own = {k: v for k, v in vars(config).items() if k not in ("costs", "learner")}
    return own | vars(config.costs) | vars(config.learner)


def config_from(values: dict[str, Any]) -> RunConfig:
    """Return the configuration behind JSON values.

    Raises:
        ValueError: a value is refused.
        TypeError, KeyError: a field is unknown or missing.
    """
    learner = dict(values["learner"])
    learner["strides"] = tuple(learner["strides"])
    return RunConfig(
        **values
        | {
            "costs": Costs(**values["costs"]),
            "learner": LearnerConfig(**learner),
        }
    )
