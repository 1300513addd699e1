"""Everything about acting that an experimenter may change."""

import math
from dataclasses import dataclass

from ur5_rl_env.core.task import MAX_JOINT_SPEED_RAD_S

POLICIES = ("sac", "random", "zero", "servo")


@dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """Configuration of actor_node. SI units (REP-103).

    Attributes:
        policy: "sac" (what the learner publishes; uniformly random until it does),
            "random", "zero" or "servo" (hand-written, see `core/servo.py`).
        seed: Of random actions and of exploration.
        deterministic: `sac` takes the mean action instead of a sample.
        checkpoint: Directory of a learner's checkpoint: `sac` acts from it alone, by its
            mean action, and hears no learner. "" = from the learner.
        waits_for_policy: No episode begins before the learner's first policy: for runs
            that go on, whose arm would act at random until the learner is up.
        max_joint_speed_rad_s: Joint speed that an action of 1 asks for.
        height_px: Rows of a camera frame [px].
        width_px: Columns of a camera frame [px].
        field_of_view_deg: Of the camera, along a row; `servo` alone needs it.
        dot_radius_m: Of the dot on the monitor; `servo` alone needs it.
        max_observation_age_s: An older observation is not acted on.
        max_policy_age_s: Once a policy acts, a learner that neither sends a new one nor
            says that this one holds for so long makes the arm hold still; 0 = no limit.
            It says so every few seconds, whether it learns or waits.
    """

    policy: str = "sac"
    seed: int = 0
    deterministic: bool = False
    checkpoint: str = ""
    waits_for_policy: bool = False
    max_joint_speed_rad_s: float = MAX_JOINT_SPEED_RAD_S
    height_px: int = 90
    width_px: int = 160
    field_of_view_deg: float = 60.0
    dot_radius_m: float = 0.0232
    max_observation_age_s: float = 0.12
    max_policy_age_s: float = 60.0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(
                f"policy must be one of {', '.join(POLICIES)}, got '{self.policy}'"
            )
        for name, low, high in (
            ("seed", 0, 2**63 - 1),
            ("max_joint_speed_rad_s", 0.001, math.pi),
            ("height_px", 1, 2160),
            ("width_px", 1, 3840),
            ("field_of_view_deg", 5.0, 150.0),
            ("dot_radius_m", 0.001, 1.0),
            ("max_observation_age_s", 0.001, 1.0),
            ("max_policy_age_s", 0.0, 86400.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # also refuses NaN
                raise ValueError(f"{name} must be in [{low}, {high}], got {value}")
        if self.checkpoint and self.policy != "sac":
            raise ValueError(f"policy '{self.policy}' acts from no checkpoint")
