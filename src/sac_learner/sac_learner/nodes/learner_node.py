"""learner_node: stores every transition, learns from them, publishes what it has learned.

Four threads. The main one takes gradient steps and publishes (`run`); one answers the
callbacks and only hands time steps on; one owns the replay buffer (`core/sampler.py`);
one owns what the run leaves on disk (`core/run_writer.py`).
The same loop is all three architectures: the sampler decides what is prepared ahead, and
in the sequential one env_node waits for what `nodes/turns.py` announces.
"""

import gc
import secrets
import time
from pathlib import Path

import torch
from rclpy.node import Node

from sac_learner.core.config import LearnerConfig
from sac_learner.core.learner import Learner
from sac_learner.core.lost_steps import LostSteps
from sac_learner.core.run_lock import RunLock
from sac_learner.core.sampler import Handled
from sac_learner.nodes.acks import Acks
from sac_learner.nodes.learner_convert import policy_message, status_message, time_step
from sac_learner.nodes.periods import Due, Stopwatch
from sac_learner.nodes.policy_outlet import PolicyOutlet
from sac_learner.nodes.turns import Turns
from ur5_rl_interfaces.msg import LearnerStatus, Transition
from ur5_rl_ros import process, qos
from ur5_rl_ros.code_version import commit_at
from ur5_rl_ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from ur5_rl_ros.params import load_config
from ur5_rl_ros.throttle import at_most_every

STATUS_PERIOD_S = 1.0
WAIT_S = 0.005  # for new transitions, when the update-to-data ratio is used up
BATCH_TIMEOUT_S = 0.1
# At the end, for time steps that were sent and not taken in yet: a learner that has
# fallen behind takes in hundreds a second once it takes no more updates.
BACKLOG_S = 1.5  # at most; the checkpoint still wants its part of the supervisor's 4 s
BACKLOG_LOOK_S = 0.25  # longer than a busy machine stands still


class LearnerNode(Node):
    """The learner's ROS shell. `run` belongs to the main thread."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "learner_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, LearnerConfig)
        if config.threads:
            torch.set_num_threads(config.threads)
        self._lock = RunLock(Path(config.run_dir))
        session = secrets.randbits(63)
        self._learner = Learner(config, commit_at(Path(__file__).parent), session)
        self._acks = Acks(self, session)
        self._received = self._malformed = 0
        self._disk_problem = ""
        self._graph_refusal = ""
        self._turns = Turns(self) if config.is_sequential else None
        self._updates_published = -1
        self._policies = PolicyOutlet(self)
        self._status = LearnerStatus(waiting_for="the replay buffer on disk")
        self._update_time, self._wait_time = Stopwatch(), Stopwatch()
        self._statuses = self.create_publisher(
            LearnerStatus, "learner_status", qos.STATUS
        )
        self._diagnostics = Diagnostics(self, config.device, self._report)
        self.create_subscription(
            Transition, "transition", self._on_transition, qos.TRANSITION
        )

    # The main thread ------------------------------------------------------------------

    def run(self, stop: process.Stop) -> None:
        """Learn until `stop` is raised, then write a last checkpoint."""
        sac = self._learner.sac
        self.get_logger().info(f"computes in {sac.computes_in} on {sac.device}")
        with process.configuration():
            self._resume_if_asked(stop)
        if stop.requested:
            return  # perhaps half resumed: what is on disk is better
        gc.collect()
        gc.freeze()  # what is here stays: no collection walks through it in an update
        now_s = time.monotonic()
        status_due = Due(STATUS_PERIOD_S, now_s)
        policy_due = Due(self._config.publish_period_s, now_s)
        checkpoint_due = Due(self._config.checkpoint_period_s, now_s)
        with self._learner:
            while not stop.requested:
                self._update_or_wait()
                self._acknowledge()
                now_s = time.monotonic()
                self._publish_policy_if(policy_due(now_s), now_s)
                if status_due(now_s):
                    self._publish_status()
                    self._watch_disk()
                    self._watch_graph()
                if checkpoint_due(now_s) and not self._learner.begin_save():
                    self.get_logger().warning("skips a checkpoint: the last is not done")
            self._take_in_backlog()
            self._save()
        self._acknowledge()

    def _resume_if_asked(self, stop: process.Stop) -> None:
        config, learner = self._config, self._learner
        if not config.resume and not learner.can_resume:
            return
        if not config.resume and not config.resume_if_present:
            raise ValueError(
                f"run_dir {config.run_dir} holds a run: resume it, or name another"
            )

        def should_stop() -> bool:
            self._policies.confirm(time.monotonic())  # reading may take a minute
            return stop.requested

        for problem in learner.resume(should_stop, self._publish_policy):
            self.get_logger().warning(f"resumes: {problem}")
        self.get_logger().info(
            f"resumed {config.run_dir} at update {learner.sac.updates}, "
            f"{learner.sampler.buffer_size} transitions in the buffer"
        )

    def _take_in_backlog(self) -> None:
        """Wait until time steps come no faster than an environment makes them."""
        live = 2.0 * BACKLOG_LOOK_S / self._config.action_period_s
        end_s = time.monotonic() + BACKLOG_S
        while time.monotonic() < end_s:
            before = self._received
            time.sleep(BACKLOG_LOOK_S)
            if self._received - before <= live:
                return
        self.get_logger().warning(
            f"time steps still come after {BACKLOG_S} s: some may not be stored"
        )

    def _save(self) -> None:
        """Write the last checkpoint; what lies on disk already stays, if it cannot be."""
        try:
            self._learner.save()
        except OSError as error:
            self.get_logger().error(f"no checkpoint: {error}")

    def _acknowledge(self) -> None:
        """Tell senders what is on disk; without a log nothing is promised."""
        if self._config.save_replay:
            self._acks.announce(self._learner.durable)

    def _watch_disk(self) -> None:
        """Log when the disk takes nothing, and when it does again: learning goes on."""
        problem = self._learner.disk_problem
        if problem and problem != self._disk_problem:
            self.get_logger().error(problem)
        if self._disk_problem and not problem:
            self.get_logger().info("the disk takes what there is to write again")
        self._disk_problem = problem

    def _watch_graph(self) -> None:
        """Log once why updates on a GPU go on kernel by kernel."""
        refusal = self._learner.sac.graph_refusal
        if refusal and refusal != self._graph_refusal:
            self.get_logger().warning(f"updates kernel by kernel: {refusal}")
        self._graph_refusal = refusal

    def _update_or_wait(self) -> None:
        handled = self._learner.sampler.handled  # before the updates that it pays for
        if self._learner.update_due:
            self._update()
        elif self._turns is not None and not self._turns.is_announced(handled):
            self._end_turn(self._turns, handled)
        else:
            self._learner.sampler.wait_for_step(WAIT_S)

    def _end_turn(self, turns: Turns, handled: Handled) -> None:
        """Publish what the time step has led to, then let the environment go on."""
        updates = self._learner.sac.updates
        if updates != self._updates_published:
            self._publish_policy()
        version = self._policies.version
        turns.announce(handled, updates=updates, policy_version=version)

    def _update(self) -> None:
        with self._wait_time:
            batch = self._learner.sampler.take(BATCH_TIMEOUT_S)
        if batch is not None:
            with self._update_time:
                self._learner.update(batch)

    def _publish_policy_if(self, is_due: bool, now_s: float) -> None:
        """Publish without holding up anything; a turn publishes its policy itself."""
        is_new = self._learner.sac.updates != self._updates_published
        if is_due and is_new and self._turns is None and self._policies.is_free(now_s):
            self._publish_policy()
        self._policies.confirm(now_s)

    def _publish_policy(self) -> None:
        learner = self._learner
        if not learner.has_policy:
            return
        policy = policy_message(learner.next_policy(), learner.sampler.env_steps)
        self._updates_published = learner.sac.updates
        self._policies.publish(policy, time.monotonic())

    def _publish_status(self) -> None:
        updates = self._update_time.count
        message = status_message(self._learner, malformed=self._malformed)
        message.architecture = self._config.architecture
        message.policy_version = self._policies.version
        message.waiting_for = "" if updates else self._learner.waiting_for
        message.updates_per_s = updates / STATUS_PERIOD_S
        message.update_ms = self._update_time.read_ms()
        message.sampler_wait_ms = self._wait_time.read_ms()
        message.header.stamp = self.get_clock().now().to_msg()
        self._status = message
        self._statuses.publish(message)

    # The thread of the callbacks ------------------------------------------------------

    def _on_transition(self, message: Transition) -> None:
        self._received += 1
        try:
            step = time_step(message)
        except ValueError as error:
            self._malformed += 1
            self.get_logger().warning(f"refused: {error}", **at_most_every(1.0))
            return
        if not self._learner.sampler.offer(step):
            self.get_logger().error(
                f"inbox full: lost {self._learner.sampler.overflowed} time steps",
                **at_most_every(1.0),
            )

    def _lost_steps(self) -> LostSteps:
        sampler = self._learner.sampler
        counts = sampler.counts
        return LostSteps(
            gaps=counts.lost,
            malformed=self._malformed,
            unfit=counts.refused - counts.repeated,
            overflowed=sampler.overflowed,
        )

    def _report(self) -> Report:
        status, sampler = self._status, self._learner.sampler
        values = {
            "computes_in": self._learner.sac.computes_in,
            "env_steps": status.env_steps,
            "updates": status.updates,
            "updates_per_s": status.updates_per_s,
            "update_to_data_ratio": status.update_to_data_ratio,
            "policy_version": status.policy_version,
            "transitions_lost": status.transitions_lost,
            "transitions_refused": status.transitions_refused,
            "time_steps_malformed": self._malformed,
            "time_steps_repeated": sampler.counts.repeated,
            "inbox_overflowed": sampler.overflowed,
            "last_refusal": sampler.last_refusal,
            "time_steps_incomplete": sampler.counts.incomplete,
            "transitions_on_disk": self._learner.durable.env_steps,
        }
        lost = self._lost_steps()
        if self._disk_problem:
            return ERROR, self._disk_problem, values
        if self._turns is not None and not self._turns.is_heard:
            return WARN, "no env_node waits for its turns (waits_for_learner)", values
        if lost.total:
            return WARN, str(lost), values
        return (
            OK,
            f"waits for {status.waiting_for}" if status.waiting_for else "learns",
            values,
        )


def main() -> None:
    """Run the node until a signal."""
    process.run(LearnerNode)


if __name__ == "__main__":
    main()
