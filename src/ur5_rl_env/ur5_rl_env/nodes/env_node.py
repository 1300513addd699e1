"""ROS shell of the environment: topics, services, the loop on absolute deadlines.

Two threads: the main thread runs the loop (wait, reset, episode); one more answers the
callbacks, which only replace the newest value of something. Nothing in the loop waits for
the actor, the learner or a subscriber.
"""

import secrets
import time

from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger
from ur5_rl_ros.deadline import Pace
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, run

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.episode import TIME_LIMIT, Answer, Episode
from ur5_rl_env.core.rate import Rate
from ur5_rl_env.core.reward import Reward, mask_pixels
from ur5_rl_env.core.sensors import NANOSECONDS, Sensors
from ur5_rl_env.nodes import env_convert as convert
from ur5_rl_interfaces.msg import (
    Action,
    ArmStatus,
    EnvStatus,
    EpisodeSummary,
    Observation,
    TargetState,
    Transition,
)
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos

READY_STATES = (ArmStatus.IDLE, ArmStatus.MOVING, ArmStatus.STALE)
POLL_S = 0.01
AFTER_FAULT_S = 1.0  # before the next try: what failed needs time to come back
STATUS_PERIOD_NS = NANOSECONDS // 2


class EnvNode(Node):
    """Runs episodes for ever: wait until all is there, reset, act for four seconds."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "env_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, EnvConfig)
        self._sensors = Sensors(config)
        self._reward = Reward(
            config.reward(), config.height, config.width, config.action_period_s
        )
        self._run_id = secrets.randbits(63)
        self._sequence = 0
        self._num_images = 0
        self._refused, self._last_refusal = 0, ""
        self._answer: Answer | None = None
        self._arm: ArmStatus | None = None
        self._arm_arrival_ns = 0
        self._target_episode = 0
        self._rates = {"joint_states": Rate(), "image_raw": Rate()}
        self._episode: Episode | None = None
        self._next_episode = 1
        self._status = EnvStatus(waiting_for="the first messages")
        self._status_due_ns = 0
        self._make_topics()
        self._diagnostics = Diagnostics(self, "environment", self._report)

    def _make_topics(self) -> None:
        publish, subscribe = self.create_publisher, self.create_subscription
        self._observations = publish(Observation, "observation", qos.COMMAND)
        self._transitions = publish(Transition, "transition", qos.TRANSITION)
        self._summaries = publish(EpisodeSummary, "episode_summary", qos.STATUS)
        self._statuses = publish(EnvStatus, "env_status", qos.STATUS)
        subscribe(JointState, "joint_states", self._on_joint_state, qos.SENSOR)
        subscribe(Image, "image_raw", self._on_image, qos.SENSOR)
        subscribe(Action, "action", self._on_action, qos.COMMAND)
        subscribe(ArmStatus, "arm_status", self._on_arm_status, qos.STATUS)
        subscribe(TargetState, "target_state", self._on_target_state, qos.SENSOR)
        self._move_to_start = self.create_client(Trigger, "move_to_start")
        self._reset_target = self.create_client(ResetTarget, "reset_target")

    # Callbacks: replace the newest value, or refuse it by name.

    def _on_joint_state(self, msg: JointState) -> None:
        arrival_ns = time.monotonic_ns()
        self._rates["joint_states"].count(arrival_ns)
        try:
            self._sensors.on_joint_sample(convert.joint_sample(msg, arrival_ns))
        except ValueError as error:
            self._refuse(error)

    def _on_image(self, msg: Image) -> None:
        arrival_ns = time.monotonic_ns()
        self._rates["image_raw"].count(arrival_ns)
        try:
            self._sensors.on_frame(convert.frame(msg, self._num_images + 1, arrival_ns))
            self._num_images += 1
        except ValueError as error:
            self._refuse(error)

    def _on_action(self, msg: Action) -> None:
        try:
            if msg.run_id == self._run_id:
                self._answer = convert.answer(msg)
        except ValueError as error:
            self._refuse(error)

    def _on_arm_status(self, msg: ArmStatus) -> None:
        self._arm, self._arm_arrival_ns = msg, time.monotonic_ns()

    def _on_target_state(self, msg: TargetState) -> None:
        self._target_episode = msg.episode
        self._sensors.on_target(time.monotonic_ns())

    def _refuse(self, error: ValueError) -> None:
        self._refused += 1
        self._last_refusal = str(error)
        self.get_logger().warning(f"refused: {error}", throttle_duration_sec=10.0)

    # The loop.

    def run(self, stop: Stop) -> None:
        """Wait, reset and run episodes until `stop` is raised."""
        while not stop.requested:
            if self._wait_until_ready(stop) and self._reset(stop):
                self._run_episode(stop)

    def _fault(self) -> str:
        """Return what keeps an episode from running; "" if nothing does."""
        now_ns = time.monotonic_ns()
        arm = self._arm
        if arm is None:
            return "arm_status has not been heard yet"
        if now_ns - self._arm_arrival_ns > NANOSECONDS:
            return "arm_status has been silent for more than 1.0 s"
        if arm.state not in (*READY_STATES, ArmStatus.MOVING_TO_START):
            return f"arm: {arm.cause}"
        fault = self._sensors.fault(now_ns)
        if fault and self._last_refusal:
            fault += f" (last refused: {self._last_refusal})"
        return fault

    def _wait_until_ready(self, stop: Stop) -> bool:
        while not stop.requested:
            fault = self._fault()
            if not fault and self._observations.get_subscription_count() == 0:
                fault = "nobody listens to observation yet (actor_node)"
            if not fault:
                return True
            self._show(EnvStatus.WAITING, fault)
            stop.wait(POLL_S)
        return False

    def _reset(self, stop: Stop) -> bool:
        """Redraw the target, bring the arm home, wait for fresh images."""
        self._reset_started_ns = time.monotonic_ns()
        self._show(EnvStatus.RESETTING, "the arm to reach the start pose")
        request = ResetTarget.Request(episode=self._next_episode)
        watches_target = self._config.max_target_age_s > 0.0
        calls = [("move_to_start", self._move_to_start, Trigger.Request())]
        if watches_target:
            calls.append(("reset_target", self._reset_target, request))
        for name, client, _ in calls:
            if not client.service_is_ready():
                self._show(EnvStatus.WAITING, f"service {name} is not there")
                stop.wait(0.1)
                return False
        futures = {name: client.call_async(message) for name, client, message in calls}
        return self._await(futures, stop) and self._settle(stop)

    def _await(self, futures: dict[str, Future], stop: Stop) -> bool:
        deadline_ns = time.monotonic_ns() + round(self._config.reset_timeout_s * 1e9)
        for name, future in futures.items():
            while not future.done() and not stop.requested:
                if time.monotonic_ns() > deadline_ns:
                    return self._give_up(f"{name} did not answer in time", stop)
                stop.wait(POLL_S)
            if stop.requested:
                return False
            if not future.result().success:
                return self._give_up(f"{name}: {future.result().message}", stop)
        return True

    def _give_up(self, cause: str, stop: Stop) -> bool:
        self.get_logger().warning(f"reset failed: {cause}")
        self._show(EnvStatus.WAITING, f"reset failed: {cause}")
        stop.wait(0.5)
        return False

    def _settle(self, stop: Stop) -> bool:
        """Wait for images that show the arm at rest and the new target."""
        first = self._num_images + self._config.settle_frames
        while not stop.requested:
            if fault := self._fault():
                return self._give_up(fault, stop)
            if self._num_images >= first:
                return True
            stop.wait(0.001)
        return False

    def _run_episode(self, stop: Stop) -> None:
        config = self._config
        self._episode = episode = Episode(config, self._reward, self._next_episode)
        self._next_episode += 1
        self._answer = None
        reset_s = (time.monotonic_ns() - self._reset_started_ns) / 1e9
        frame = self._sensors.newest_frame
        first_ns = (frame.arrival_ns if frame else 0) + round(config.image_margin_s * 1e9)
        pace = Pace(config.action_period_s, first_ns)
        self._limited = False
        end, started_ns, last_ns = "", time.monotonic_ns(), 0
        while not stop.requested:
            lateness_ns = pace.sleep()
            now_ns = time.monotonic_ns()
            end = self._fault() or self._tick(episode)
            if last_ns:
                episode.record.cycle_ms.append((now_ns - last_ns) / 1e6)
                episode.record.lateness_ms.append(lateness_ns / 1e6)
            last_ns = now_ns
            if end:
                break
        end = end or "stopped"
        self._summarise(episode, end, max(0, last_ns - started_ns) / 1e9, reset_s)
        if end != TIME_LIMIT and not stop.requested:
            self.get_logger().warning(f"episode {episode.number} ended: {end}")
            self._show(EnvStatus.WAITING, end)
            stop.wait(AFTER_FAULT_S)

    def _tick(self, episode: Episode) -> str:
        """Observe, publish; return why the episode ends here, or ""."""
        episode.begin_step(self._sensors.snapshot(), self._answer)
        if episode.actor_is_silent:
            return "actor does not answer"
        if not episode.is_over:
            self._publish_observation(episode)
        arm = self._arm
        step = episode.finish_step(limited=arm is not None and bool(any(arm.limited)))
        self._sequence += 1
        self._transitions.publish(
            convert.transition_msg(step, self._run_id, self._sequence)
        )
        self._show(EnvStatus.RUNNING, "")
        return TIME_LIMIT if step.is_last else ""

    def _publish_observation(self, episode: Episode) -> None:
        snapshot = episode.snapshot
        msg = convert.observation_msg(episode, snapshot.frames, self._run_id)
        convert.set_stamp(msg.header.stamp, snapshot.joints.stamp_ns)
        msg.steady_ns = time.monotonic_ns()
        self._observations.publish(msg)

    def _summarise(
        self, episode: Episode, end: str, duration_s: float, reset_s: float
    ) -> None:
        self._episode = None
        msg = convert.summary_msg(episode, end)
        msg.header.stamp = self.get_clock().now().to_msg()
        msg.run_id = self._run_id
        msg.duration_s, msg.reset_s = duration_s, reset_s
        msg.transitions_sent = self._sequence
        self._summaries.publish(msg)

    # What it tells of itself.

    def _show(self, phase: int, waiting_for: str) -> None:
        """Publish the status at a change and twice a second, else do nothing."""
        now_ns = time.monotonic_ns()
        status = self._status
        is_same = (status.phase, status.waiting_for) == (phase, waiting_for)
        if is_same and now_ns < self._status_due_ns:
            return
        self._status_due_ns = now_ns + STATUS_PERIOD_NS
        status.phase, status.waiting_for = phase, waiting_for
        status.header.stamp = self.get_clock().now().to_msg()
        status.transitions_sent = self._sequence
        status.image_age_ms, status.joint_state_age_ms = self._sensors.ages_ms(now_ns)
        status.images_hz = self._rates["image_raw"].hz(now_ns)
        status.joint_states_hz = self._rates["joint_states"].hz(now_ns)
        self._fill_progress(status)
        self._statuses.publish(status)

    def _fill_progress(self, status: EnvStatus) -> None:
        episode, frame = self._episode, self._sensors.newest_frame
        if episode is not None:
            status.episode, status.step = episode.number, max(0, episode.step)
            status.return_so_far = episode.record.return_sum
        status.mask_px = float(mask_pixels(frame.image)) if frame is not None else 0.0

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        status = self._status
        waiting = status.waiting_for
        values = {
            "episode": status.episode,
            "transitions_sent": self._sequence,
            "images_hz": round(status.images_hz, 1),
            "joint_states_hz": round(status.joint_states_hz, 1),
            "messages_refused": self._refused,
        }
        level = WARN if status.phase == EnvStatus.WAITING else OK
        return level, f"waiting for: {waiting}" if waiting else "episode runs", values


def main() -> None:
    run(EnvNode)


if __name__ == "__main__":
    main()
