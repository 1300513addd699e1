"""Everything about the run's face that an experimenter may change."""

import math
from dataclasses import dataclass
from pathlib import Path

MODES = ("train", "eval")
LEARNING_POLICY = "sac"


@dataclass(frozen=True, kw_only=True)
class MonitorConfig:
    """What is written where, and when the run is over.

    Attributes:
        task: Motion of the target, as written into the report.
        policy: Who acts, as written into the report; only "sac" has a learner.
        seed: Of the run, as written into the report.
        mode: First word of the console line: train or eval.
        run_dir: Folder of report.json, picture.png and events/.
        report: One more place for the report; "" = run_dir/report.json alone.
        max_episodes: The run ends after this many, complete or not; 0 = no limit.
        max_minutes: The run ends this long after the start [min]; 0 = no limit.
        height_px: Rows of a picture in the filmstrip, at most [px].
        width_px: Columns of a picture in the filmstrip, at most [px].
        report_period_s: Time between two writings of the report.
        silence_s: A node unheard for this long is called silent.
        old_policy_s: A policy that acts for longer is called old.
        film_period_s: Time between two camera frames kept for the filmstrip.
        film_frames: Pictures in the filmstrip.
        max_listed_episodes: Older ones leave the list and the curve, not the means.
        servo_return: Yardstick in the picture: the visual servo's mean; 0 = none.
        zero_return: Yardstick in the picture: the mean of doing nothing; 0 = none.

    """

    task: str = "reaching"
    policy: str = "sac"
    seed: int = 0
    mode: str = "train"
    run_dir: str = "runs/latest"
    report: str = ""
    max_episodes: int = 0
    max_minutes: float = 0.0
    height_px: int = 90
    width_px: int = 160
    report_period_s: float = 30.0
    silence_s: float = 5.0
    old_policy_s: float = 30.0
    film_period_s: float = 0.1
    film_frames: int = 9
    max_listed_episodes: int = 20_000
    servo_return: float = 302.0
    zero_return: float = 54.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got '{self.mode}'")
        if not self.run_dir:
            raise ValueError("run_dir must name a folder, got ''")
        may_be_zero = (
            "seed",
            "max_episodes",
            "max_minutes",
            "servo_return",
            "zero_return",
        )
        for name, value in vars(self).items():
            if isinstance(value, str):
                continue
            if not (math.isfinite(value) and (value > 0 or name in may_be_zero)):
                raise ValueError(f"{name} must be finite and positive, got {value}")
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if self.film_frames < 2:
            raise ValueError(f"film_frames must be at least 2, got {self.film_frames}")

    @property
    def expects_learner(self) -> bool:
        """Whether a learner is part of this run."""
        return self.mode == "train" and self.policy == LEARNING_POLICY

    @property
    def report_paths(self) -> tuple[Path, ...]:
        """Where the report goes; the run's own copy first."""
        own = Path(self.run_dir) / "report.json"
        return (own, Path(self.report)) if self.report else (own,)

    @property
    def picture_path(self) -> Path:
        """Where the picture goes."""
        return Path(self.run_dir) / "picture.png"

    @property
    def events_dir(self) -> Path:
        """Where TensorBoard finds the scalars."""
        return Path(self.run_dir) / "events"
