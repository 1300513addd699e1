"""Everything about the environment that an experimenter may change."""

import math
from dataclasses import dataclass

from ur5_rl_env.core.reward import RewardConfig
from ur5_rl_env.core.task import ACTION_PERIOD_S, EPISODE_S, MAX_JOINT_SPEED_RAD_S

REFERENCE_AREA_PX = 160 * 90


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """Timing, tolerances and reward of the environment. SI units (REP-103).

    Attributes:
        action_period_s: Time between two observations.
        episode_s: Time after which an episode is truncated.
        first_episode: Number of the first one; the target's motion depends on it.
        height_px: Rows of a camera frame [px].
        width_px: Columns of a camera frame [px].
        max_joint_speed_rad_s: Joint speed that an action of 1 asks for.
        synchronisation_tolerance_s: Stamps of joint sample and image further apart than
            this are counted as a synchronisation miss.
        max_synchronisation_misses: This many misses in a row end the episode: a camera
            of more latency needs a wider tolerance; 0 = they are counted alone.
        hold_image_age_s: An observation whose image would be older than this is not
            given, so that the arm brakes: nobody acts on what was seen so long ago;
            0 = it is given. Two periods of the camera.
        max_image_age_s: No newer image for this long ends the episode.
        max_equal_images: This many equal images in a row are a frozen camera, which ends
            the episode; 0 = they are not compared (a camera without noise, say).
        min_mask_px: No episode begins with fewer red pixels in sight, at 160 x 90 px;
            the area of the image scales it; 0 = none are needed.
        max_joint_state_age_s: No newer joint sample for this long ends the episode.
        max_target_age_s: The display silent for this long ends the episode; 0 = the
            target is not watched (a printed dot, say).
        max_missed_actions: This many observations in a row without an answer end it.
        image_margin_s: The episode's first tick comes this long after an image arrived,
            so that images of the same rate are fresh at every tick.
        settle_frames: Images to wait for after the arm has reached the start pose.
        reset_timeout_s: A reset that takes longer is started again.
        max_auto_recoveries: So many protective stops in ten minutes are ended without a
            person; 0 on a real arm.
        recoveries_file: Remembers them for the next process; "" = only this one.
        waits_for_learner: Before each observation, wait until the learner has finished
            with the time step before (the sequential architecture).
        max_learner_wait_s: A learner that is later than this after a tick's deadline ends
            the episode.
        kernel, vision_scale, vision_clip, reference_period_s: See `RewardConfig`.

    """

    action_period_s: float = ACTION_PERIOD_S
    episode_s: float = EPISODE_S
    first_episode: int = 1
    height_px: int = 90
    width_px: int = 160
    max_joint_speed_rad_s: float = MAX_JOINT_SPEED_RAD_S
    synchronisation_tolerance_s: float = 0.05
    max_synchronisation_misses: int = 25
    hold_image_age_s: float = 0.08
    max_image_age_s: float = 0.2
    max_equal_images: int = 5
    min_mask_px: float = 10.0
    max_joint_state_age_s: float = 0.15
    max_target_age_s: float = 0.5
    max_missed_actions: int = 3
    image_margin_s: float = 0.006
    settle_frames: int = 3
    reset_timeout_s: float = 15.0
    max_auto_recoveries: int = 0
    recoveries_file: str = ""
    waits_for_learner: bool = False
    max_learner_wait_s: float = 2.0
    kernel: str = "tents"
    vision_scale: float = 800.0
    vision_clip: float = 4.0
    reference_period_s: float = 0.04

    def __post_init__(self) -> None:
        may_be_zero = {
            "max_target_age_s",
            "image_margin_s",
            "hold_image_age_s",
            "vision_clip",
            "vision_scale",
        }
        may_be_zero |= {"reference_period_s", "max_auto_recoveries"}
        may_be_zero |= {"max_synchronisation_misses", "max_equal_images", "min_mask_px"}
        for name, value in vars(self).items():
            if isinstance(value, str | bool):
                continue
            if not (math.isfinite(value) and (value > 0 or name in may_be_zero)):
                raise ValueError(f"{name} must be finite and positive, got {value}")
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if self.max_equal_images == 1:
            raise ValueError("max_equal_images must be 0 or at least 2, got 1")
        if self.episode_s < self.action_period_s:
            raise ValueError(
                f"episode_s ({self.episode_s}) is shorter than one "
                f"action_period_s ({self.action_period_s})"
            )
        self.reward()  # checks the rest

    @property
    def steps_per_episode(self) -> int:
        """Transitions of an episode that nothing cuts short."""
        return int(self.episode_s / self.action_period_s + 1e-9)

    @property
    def min_mask(self) -> int:
        """Red pixels that an image of this size must show before an episode [px]."""
        area = self.height_px * self.width_px / REFERENCE_AREA_PX
        return math.ceil(self.min_mask_px * area)

    def reward(self) -> RewardConfig:
        """Return the reward's part of this configuration."""
        return RewardConfig(
            kernel=self.kernel,
            vision_scale=self.vision_scale,
            vision_clip=self.vision_clip,
            reference_period_s=self.reference_period_s,
        )
