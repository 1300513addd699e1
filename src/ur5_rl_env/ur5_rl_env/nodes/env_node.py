"""ROS shell of the environment: services and the loop on absolute deadlines.

Two threads: the main thread runs the loop (wait, reset, episode); one more answers the
callbacks (`env_inputs.py`). Nothing in an episode waits for the actor, the learner or a
subscriber, but for the sequential architecture, where each tick waits for the learner.
"""

import secrets
import time
from pathlib import Path

from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.episode import TIME_LIMIT, Episode
from ur5_rl_env.core.recovery_budget import RecoveryBudget
from ur5_rl_env.core.reward import Reward
from ur5_rl_env.core.sensors import NANOSECONDS
from ur5_rl_env.nodes import env_convert as convert
from ur5_rl_env.nodes.env_inputs import EnvInputs
from ur5_rl_env.nodes.env_report import EnvReport
from ur5_rl_env.nodes.learner_record import LearnerRecord
from ur5_rl_env.nodes.learner_turns import LearnerTurns
from ur5_rl_interfaces.msg import EnvStatus, EpisodeSummary, Observation, Transition
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos
from ur5_rl_ros.deadline import Pace
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, run

POLL_S = 0.01
AFTER_FAULT_S = 1.0  # before the next try: what failed needs time to come back
DISCOVERY_NS = NANOSECONDS // 2


class EnvNode(Node):
    """Runs episodes for ever: wait until all is there, reset, act for four seconds."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "env_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, EnvConfig)
        self._run_id = secrets.randbits(63)
        self._inputs = EnvInputs(self, config, self._run_id)
        self._turns = LearnerTurns(self, config, self._run_id)
        self._record = LearnerRecord(self, self._run_id)
        self._reward = Reward(
            config.reward(), config.height_px, config.width_px, config.action_period_s
        )
        file = Path(config.recoveries_file) if config.recoveries_file else None
        self._recoveries = RecoveryBudget(config.max_auto_recoveries, file)
        self._sequence = 0
        self._actor_since_ns = time.monotonic_ns()
        self._next_episode = config.first_episode
        self._make_topics()
        self._told = EnvReport(self, self._inputs, self._record)

    def _make_topics(self) -> None:
        publish = self.create_publisher
        self._observations = publish(Observation, "observation", qos.COMMAND)
        self._transitions = publish(Transition, "transition", qos.TRANSITION)
        self._summaries = publish(EpisodeSummary, "episode_summary", qos.STATUS)
        self._enable_arm = self.create_client(Trigger, "enable_arm")
        self._move_to_start = self.create_client(Trigger, "move_to_start")
        self._unlock_arm = self.create_client(Trigger, "unlock_arm")
        self._reset_target = self.create_client(ResetTarget, "reset_target")

    def run(self, stop: Stop) -> None:
        """Wait, reset and run episodes until `stop` is raised."""
        while not stop.requested:
            if self._wait_until_ready(stop) and self._reset(stop):
                self._run_episode(stop)

    def _wait_until_ready(self, stop: Stop) -> bool:
        while not stop.requested:
            fault = self._inputs.fault(before_reset=True)
            fault = fault or self._turns.fault(self._sequence)
            if not fault and not self._has_actor():
                fault = "actor_node does not listen yet: it starts, or waits for a policy"
            if not fault:
                self._recoveries.forgive()
                return True
            if self._inputs.is_protectively_stopped:
                self._recover(fault, stop)
            else:
                self._told.show(EnvStatus.WAITING, fault)
            stop.wait(POLL_S)
        return False

    def _has_actor(self) -> bool:
        """Whether somebody has listened and spoken for long enough to have found us."""
        listeners = self._observations.get_subscription_count()
        if listeners == 0 or self.count_publishers("action") == 0:
            self._actor_since_ns = time.monotonic_ns()
        # It may still have to find us; that takes DDS an announcement.
        return time.monotonic_ns() - self._actor_since_ns > DISCOVERY_NS

    def _recover(self, fault: str, stop: Stop) -> None:
        """Ask for the end of a protective stop, as often as the configuration allows."""
        is_there = self._unlock_arm.service_is_ready()
        is_allowed = is_there and self._recoveries.spend(time.monotonic_ns())
        refusal = self._recoveries.refusal
        self._told.show(EnvStatus.WAITING, f"{fault} ({refusal})" if refusal else fault)
        if not is_allowed:
            return
        self.get_logger().warning("arm is in a protective stop: sends unlock_arm")
        unlocking = [("unlock_arm", self._unlock_arm, Trigger.Request())]
        # The arm is silent while it makes its control interface anew.
        if cause := self._call(unlocking, stop, while_heard=False):
            self.get_logger().warning(cause)
        stop.wait(AFTER_FAULT_S)

    def _reset(self, stop: Stop) -> bool:
        """Arm, redraw the target, bring the arm home, wait for fresh images."""
        self._reset_started_ns = time.monotonic_ns()
        self._told.show(EnvStatus.RESETTING, "the arm to reach the start pose")
        calls = [("move_to_start", self._move_to_start, Trigger.Request())]
        if self._config.max_target_age_s > 0.0:
            request = ResetTarget.Request(episode=self._next_episode)
            calls.append(("reset_target", self._reset_target, request))
        arming = [("enable_arm", self._enable_arm, Trigger.Request())]
        cause = self._call(arming, stop) or self._call(calls, stop) or self._settle(stop)
        cause = cause or self._inputs.sensors.exposure_fault()
        if cause and not stop.requested:
            self._told.show(EnvStatus.WAITING, f"reset failed: {cause}")
            self.get_logger().warning(f"reset failed: {cause}")
            stop.wait(AFTER_FAULT_S)
        return not cause

    def _call(
        self,
        calls: list[tuple[str, Client, object]],
        stop: Stop,
        *,
        while_heard: bool = True,
    ) -> str:
        """Call services side by side; return what went wrong, "" if nothing did.

        By default the wait for their answers ends where arm_node falls silent.
        """
        for name, client, _ in calls:
            if not client.service_is_ready():
                return f"service {name} is not there"
        futures = [
            (name, client, client.call_async(message)) for name, client, message in calls
        ]
        try:
            by_name = {name: future for name, _, future in futures}
            return self._failure(by_name, stop, while_heard)
        finally:
            for _, client, future in futures:
                client.remove_pending_request(future)  # else kept for its answer

    def _failure(self, futures: dict[str, Future], stop: Stop, while_heard: bool) -> str:
        """Wait for all answers, as `_call` says; return what went wrong, or ""."""
        deadline_ns = time.monotonic_ns() + round(self._config.reset_timeout_s * 1e9)
        for name, future in futures.items():
            while not future.done():
                if while_heard and (silence := self._inputs.arm_silence()):
                    return silence
                if time.monotonic_ns() > deadline_ns:
                    return f"{name} did not answer in {self._config.reset_timeout_s} s"
                if stop.wait(POLL_S):
                    return "asked to stop"
            if not future.result().success:
                return f"{name}: {future.result().message}"
        return ""

    def _settle(self, stop: Stop) -> str:
        """Wait for images that show the arm at rest and the new target."""
        first = self._inputs.num_images + self._config.settle_frames
        while self._inputs.num_images < first:
            if fault := self._inputs.fault(before_reset=True):
                return fault
            if stop.wait(0.001):
                return "asked to stop"
        return self._inputs.fault()

    def _run_episode(self, stop: Stop) -> None:
        config = self._config
        self._told.episode = episode = Episode(config, self._reward, self._next_episode)
        self._next_episode += 1
        self._inputs.answer = None
        reset_s = (time.monotonic_ns() - self._reset_started_ns) / 1e9
        frame = self._inputs.sensors.newest_frame
        first_ns = (frame.arrival_ns if frame else 0) + round(config.image_margin_s * 1e9)
        pace = Pace(config.action_period_s, first_ns)
        end, started_ns, last_ns = "", time.monotonic_ns(), 0
        while not end and not stop.requested:
            lateness_ns = pace.sleep()
            waited_ns, fault = self._wait_for_learner(stop)
            now_ns = time.monotonic_ns()
            end = fault or self._inputs.fault()
            if not end:
                end = self._tick(episode)
            if last_ns:
                lateness_ns += waited_ns
                episode.record.on_tick(now_ns - last_ns, lateness_ns, waited_ns)
            last_ns = now_ns
        self._summarise(
            episode, end or "stopped", max(0, last_ns - started_ns) / 1e9, reset_s
        )
        if end != TIME_LIMIT and not stop.requested:
            self._told.show(EnvStatus.WAITING, end)
            self.get_logger().warning(f"episode {episode.number} ended: {end}")
            stop.wait(AFTER_FAULT_S)

    def _wait_for_learner(self, stop: Stop) -> tuple[int, str]:
        """Wait, if the architecture is sequential; return how long [ns], and a fault."""
        if not self._config.waits_for_learner:
            return 0, ""
        began_ns = time.monotonic_ns()
        fault = self._turns.wait(
            self._sequence, lambda: stop.requested or self._inputs.fault()
        )
        return time.monotonic_ns() - began_ns, fault

    def _tick(self, episode: Episode) -> str:
        """Observe, publish; return why the episode ends here, or ""."""
        episode.begin_step(self._inputs.sensors.snapshot(), self._inputs.answer)
        if episode.fault:
            return episode.fault
        if not episode.is_over:
            if self._inputs.sensors.is_image_old(time.monotonic_ns()):
                episode.hold()
            else:
                self._publish_observation(episode)
        step = episode.finish_step(limited=self._inputs.is_limited)
        self._sequence += 1
        self._record.on_send(self._sequence)
        self._transitions.publish(
            convert.transition_msg(step, self._run_id, self._sequence)
        )
        self._told.show(EnvStatus.RUNNING, "")
        return TIME_LIMIT if step.is_last else ""

    def _publish_observation(self, episode: Episode) -> None:
        snapshot = episode.snapshot
        msg = convert.observation_msg(episode, snapshot.frames, self._run_id)
        msg.policy_version = self._turns.policy_version
        convert.set_stamp(msg.header.stamp, snapshot.joints.stamp_ns)
        msg.steady_ns = time.monotonic_ns()
        self._observations.publish(msg)

    def _summarise(
        self, episode: Episode, end: str, duration_s: float, reset_s: float
    ) -> None:
        self._told.episode = None
        msg = convert.summary_msg(episode, end)
        msg.header.stamp = self.get_clock().now().to_msg()
        msg.run_id = self._run_id
        msg.duration_s, msg.reset_s = duration_s, reset_s
        msg.transitions_sent = self._sequence
        self._summaries.publish(msg)


def main() -> None:
    run(EnvNode)


if __name__ == "__main__":
    main()
