"""learner_node among fake neighbours, in a domain of its own.

Where it is killed, paused or read the exit code of, it is a process; else it runs here,
because a process of it needs seconds to start.
"""

import array
import gc
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter

from sac_learner.core.checkpoint import newest_checkpoint
from sac_learner.core.parameters import decode_policy
from sac_learner.nodes.learner_convert import time_step
from sac_learner.nodes.learner_node import LearnerNode
from sac_learner.nodes.policy_loader import encoded_policy
from ur5_rl_interfaces.msg import (
    LearnerStatus,
    LearnerTurn,
    PolicyParameters,
    Transition,
    TransitionAck,
)
from ur5_rl_ros import qos
from ur5_rl_ros.process import ConfigurationError, Stop, spinning_in_background
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

STARTS = 30
SMALL = {
    "height_px": 32, "width_px": 40, "crop_rows": 0, "crop_columns": 1, "hidden_size": 16,
    "batch_size": 8, "learning_starts": STARTS, "threads": 1, "publish_period_s": 0.05,
    "strides": [2, 2, 1, 1],
}  # fmt: skip


def message(step) -> Transition:
    return Transition(
        run_id=step.run_id, sequence=step.sequence, episode=step.episode, step=step.step,
        is_first=step.is_first, is_last=step.is_last, is_terminal=step.is_terminal,
        action=step.action, reward=step.reward, policy_version=0, height=32, width=40,
        stack_ids=np.array(step.stack_ids, np.uint64),
        frame_ids=array.array("Q", step.frame_ids),
        frames=array.array("B", step.frames.tobytes()),
        proprioception=step.proprioception,
    )  # fmt: skip


class Neighbours:
    """A fake environment and a fake actor around one learner process."""

    def __init__(self, executor, spin_until, domain, run_dir):
        self.spin_until = spin_until
        self.node = rclpy.create_node("neighbours", context=executor.context)
        executor.add_node(self.node)
        self.policies, self.statuses, self.acks = [], [], []
        self._transitions = None
        self.begin_sending()
        self.node.create_subscription(
            LearnerStatus, "learner_status", self.statuses.append, qos.STATUS
        )
        self.node.create_subscription(
            TransitionAck, "transition_ack", self.acks.append, qos.POLICY
        )
        self._environment = node_environment(domain) | {"ROS_PYTHON_CHECK_FIELDS": "1"}
        self._run_dir = run_dir
        self._here = ExitStack()
        self.process = None

    def listen_to_diagnostics(self):
        self.health = []
        self.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda array: self.health.append(array.status[0]),
            10,
        )

    def wait_for_health(self, level, words):
        self.spin_until(
            lambda: any(h.level == level and words in h.message for h in self.health),
            20.0,
        )

    def listen_to_turns(self):
        self.turns = []
        self.node.create_subscription(
            LearnerTurn, "learner_turn", self.turns.append, qos.POLICY
        )

    def wait_for_turn(self, step, timeout_s=20.0):
        place = (step.run_id, step.sequence)
        self.spin_until(
            lambda: (
                self.turns and place == (self.turns[-1].run_id, self.turns[-1].sequence)
            ),
            timeout_s,
        )
        return self.turns[-1]

    def listen_to_policies(self):
        self.node.create_subscription(
            PolicyParameters, "policy_parameters", self.policies.append, qos.POLICY
        )

    def start(self, **parameters):
        words = [sys.executable, "-m", "sac_learner.nodes.learner_node", "--ros-args"]
        for name, value in (SMALL | {"run_dir": self._run_dir} | parameters).items():
            words += ["-p", f"{name}:={value}"]
        self.process = subprocess.Popen(
            words, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        return self.process

    def start_and_meet(self, **parameters):
        self.start(**parameters)
        self.spin_until(lambda: self._transitions.get_subscription_count() == 1, 30.0)

    def made_here(self, **parameters):
        """Return a learner of this process, which nobody runs yet."""
        values = SMALL | {"run_dir": str(self._run_dir)} | parameters
        return LearnerNode(
            context=self.node.context,
            parameter_overrides=[Parameter(name, value=v) for name, v in values.items()],
        )

    def run_here(self, **parameters):
        """Start one in this process; what was sent before reaches it. See `stop_here`."""
        self._here.enter_context(running(self.made_here(**parameters)))

    def stop_here(self):
        self._here.close()

    def begin_sending(self):
        self._transitions = self.node.create_publisher(
            Transition, "transition", qos.TRANSITION
        )

    def stop_sending(self):
        """Go away as an environment: what was sent is not sent again."""
        self.node.destroy_publisher(self._transitions)

    def send(self, messages):
        for each in messages:
            self._transitions.publish(each)

    def wait_for_status(self, condition, timeout_s=20.0):
        self.spin_until(lambda: self.statuses and condition(self.statuses[-1]), timeout_s)
        return self.statuses[-1]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        began = time.monotonic()
        errors = self.process.communicate(timeout=20.0)[1]
        return self.process.returncode, errors, time.monotonic() - began


@contextmanager
def running(node):
    """Run a learner as its process does: loop in one thread, callbacks in another."""
    stop = Stop()

    def loop():
        with spinning_in_background(node):
            node.run(stop)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(loop)
        try:
            yield
        finally:
            stop.request()
            ended.result(timeout=10.0)  # or what it failed by
            gc.unfreeze()
            node._lock.close()
            node.destroy_node()


@pytest.fixture
def neighbours(ros, ros_domain, spin_until, tmp_path):
    neighbours = Neighbours(ros, spin_until, ros_domain, tmp_path / "run")
    yield neighbours
    neighbours.stop_here()
    if neighbours.process is not None and neighbours.process.poll() is None:
        neighbours.process.kill()
        neighbours.process.communicate()
    neighbours.node.destroy_node()


def test_a_message_becomes_the_step_that_it_carries(counter_environment):
    environment = counter_environment(run_id=2**64 - 1)
    environment.advance()
    step = environment.advance(new_frames=2, last=True, terminal=True)
    back = time_step(message(step))
    assert back.frames.tobytes() == step.frames.tobytes()
    for name in ("run_id", "sequence", "episode", "step", "is_first", "is_last",
                 "is_terminal", "stack_ids", "frame_ids", "reward"):  # fmt: skip
        assert getattr(back, name) == getattr(step, name)


@pytest.mark.parametrize(
    "change",
    [{"height": 31}, {"frames": array.array("B", b"123")}, {"reward": float("nan")},
     {"stack_ids": np.array([9, 8, 7], np.uint64)}, {"action": [2.0] * 5}],
)  # fmt: skip
def test_fault_a_malformed_message_is_refused(counter_environment, change):
    bad = message(counter_environment().advance())
    for name, value in change.items():
        setattr(bad, name, value)
    with pytest.raises(ValueError):
        time_step(bad)


def test_it_learns_publishes_counts_and_resumes(
    neighbours, counter_environment, tmp_path
):
    environment = counter_environment()
    messages = [message(step) for step in environment.steps(70, episode_length=200)]
    broken = message(environment.advance())
    broken.height = 7
    neighbours.start_and_meet()
    neighbours.send([*messages[:10], *messages[15:], *messages[:3], broken])

    # 70 steps: 5 lost, 2 without a whole stack, the first, and one after the gap
    status = neighbours.wait_for_status(lambda s: s.updates == 61 - STARTS)
    assert (status.env_steps, status.buffer_size, status.transitions_received) == (
        61,
    ) * 3
    assert status.transitions_lost == 5
    assert status.transitions_refused == 3 + 1  # duplicates, and the broken one
    assert status.update_to_data_ratio == 1.0
    assert status.critic_gradient_norm > 0.0

    neighbours.listen_to_policies()  # late: the newest policy is latched
    neighbours.spin_until(lambda: neighbours.policies)
    policy = neighbours.policies[-1]
    assert policy.update_step == 31
    assert decode_policy(encoded_policy(policy)).config.strides == (2, 2, 1, 1)

    code, errors, took_s = neighbours.stop(signal.SIGINT)
    assert (code, "Traceback" in errors) == (0, False)
    assert took_s < 4.0
    checkpoint, problems = newest_checkpoint(tmp_path / "run")
    assert (checkpoint.state.updates, checkpoint.state.env_steps, problems) == (
        31,
        61,
        [],
    )

    neighbours.policies.clear()
    neighbours.statuses.clear()
    neighbours.run_here()
    neighbours.spin_until(  # what the first one sent last may still be here
        lambda: any(p.session != policy.session for p in neighbours.policies), 20.0
    )
    again = neighbours.policies[-1]
    assert again.update_step == 31  # it acts at once
    assert again.version > policy.version
    neighbours.send([message(environment.advance())])
    # The broken one is missing between what is on disk and what comes now.
    neighbours.wait_for_status(lambda s: s.env_steps == 61 and s.transitions_lost == 1)


def test_there_is_no_policy_before_learning_starts(neighbours, counter_environment):
    neighbours.listen_to_policies()
    neighbours.run_here()
    neighbours.send(
        message(s) for s in counter_environment().steps(20, episode_length=50)
    )
    status = neighbours.wait_for_status(lambda s: s.env_steps == 19)
    assert status.waiting_for == f"{STARTS - 19} first transitions"
    assert status.policy_version == 0
    assert neighbours.policies == []


def test_fault_a_lost_step_is_counted_once_and_its_cause_told(
    neighbours, counter_environment
):
    """A message that is refused leaves a gap: one loss, not two."""
    messages = [message(step) for step in counter_environment().steps(20)]
    messages[3].height = 7
    neighbours.listen_to_diagnostics()
    neighbours.run_here()
    cause = "time steps lost; of those that came: 1 malformed"
    neighbours.send(messages[:10])
    neighbours.wait_for_health(DiagnosticStatus.WARN, f"at least 1 {cause}")
    neighbours.send(messages[12:])
    neighbours.wait_for_health(DiagnosticStatus.WARN, f"at least 3 {cause}")


def test_fault_updates_without_a_cuda_graph_are_logged_once(neighbours, capfd):
    node = neighbours.made_here()
    try:
        node._watch_graph()
        node._learner.sac._run = SimpleNamespace(refusal="no CUDA graph: no memory")
        for _ in range(3):
            node._watch_graph()
    finally:
        node.destroy_node()
    errors = capfd.readouterr().err
    assert errors.count("updates kernel by kernel: no CUDA graph: no memory") == 1
    assert errors.count("updates kernel by kernel") == 1


def test_sequential_takes_each_update_before_it_ends_the_turn(
    neighbours, counter_environment
):
    environment = counter_environment()
    neighbours.listen_to_policies()
    neighbours.listen_to_turns()
    neighbours.run_here(architecture="sequential", updates_per_transition=1.0)
    neighbours.spin_until(lambda: neighbours.turns, 30.0)
    first = neighbours.turns[0]  # says that it is there
    assert (first.run_id, first.sequence, first.policy_version) == (0, 0, 0)
    versions = []
    for step in environment.steps(STARTS + 10, episode_length=200):
        neighbours.send([message(step)])
        turn = neighbours.wait_for_turn(step)
        assert turn.updates == max(0, step.step - STARTS)  # step n ends transition n
        versions.append(turn.policy_version)
    assert versions[:STARTS] == [0] * STARTS  # no policy before learning starts
    assert versions[STARTS:] == sorted(set(versions[STARTS:]))  # one for each turn after
    neighbours.spin_until(lambda: neighbours.policies[-1].version == versions[-1])
    assert neighbours.policies[-1].update_step == 9
    status = neighbours.wait_for_status(lambda s: s.updates == 9)
    assert (status.architecture, status.updates_owed) == ("sequential", 0.0)
    assert status.update_to_data_ratio == 1.0


def test_sequential_the_turn_waits_for_every_update_of_a_transition(
    neighbours, counter_environment
):
    neighbours.listen_to_turns()
    neighbours.run_here(architecture="sequential", updates_per_transition=3.0)
    for step in counter_environment().steps(STARTS + 4, episode_length=200):
        neighbours.send([message(step)])
        turn = neighbours.wait_for_turn(step)
        assert turn.updates == 3 * max(0, step.step - STARTS)


def test_fault_sequential_a_new_learner_catches_up_before_it_ends_a_turn(
    neighbours, counter_environment
):
    """The time steps that the killed one had come again; the newest one's turn ends."""
    neighbours.listen_to_turns()
    neighbours.start_and_meet(architecture="sequential", checkpoint_period_s=0.3)
    steps = counter_environment().steps(STARTS + 10, episode_length=200)
    for step in steps[:-1]:
        neighbours.send([message(step)])
        neighbours.wait_for_turn(step)
    neighbours.process.kill()
    neighbours.process.communicate()
    neighbours.turns.clear()
    neighbours.send([message(steps[-1])])
    neighbours.run_here(architecture="sequential")
    turn = neighbours.wait_for_turn(steps[-1], timeout_s=30.0)
    assert turn.updates == 9
    assert turn.policy_version > 0


def test_fault_sequential_resumed_without_its_replay_it_ends_turns_and_learns_on(
    neighbours, counter_environment
):
    """An update that is due and for which no batch can come would hold up the arm."""
    parameters = {"architecture": "sequential", "save_replay": False}
    neighbours.listen_to_turns()
    for life in (1, 2):
        neighbours.run_here(**parameters)
        environment = counter_environment(run_id=life)
        for step in environment.steps(STARTS + 3, episode_length=200):
            neighbours.send([message(step)])
            turn = neighbours.wait_for_turn(step)
            assert turn.updates == 2 * (life - 1) + max(0, step.step - STARTS)
        neighbours.stop_here()
        neighbours.stop_sending()
        neighbours.begin_sending()


@pytest.mark.parametrize(
    "parameters",
    [
        {"architecture": "sequential"},
        {"architecture": "async_2", "publish_period_s": 2.0},
    ],
)
def test_a_learner_that_waits_says_again_which_policy_holds(
    neighbours, counter_environment, parameters
):
    """An actor that hears nothing for a minute rests, and then nothing comes to learn."""
    neighbours.listen_to_policies()
    neighbours.run_here(**parameters)
    steps = counter_environment().steps(STARTS + 3, episode_length=200)
    neighbours.send(message(step) for step in steps)
    neighbours.wait_for_status(lambda s: s.updates == 2)
    neighbours.spin_until(
        lambda: neighbours.policies and neighbours.policies[-1].update_step == 2
    )
    heard_s, count = time.monotonic(), len(neighbours.policies)
    neighbours.spin_until(lambda: len(neighbours.policies) > count, 10.0)
    assert time.monotonic() - heard_s < 7.0
    assert time.monotonic() - heard_s > 3.0
    before, again = neighbours.policies[count - 1 : count + 1]
    assert (again.version, again.sha256) == (before.version, before.sha256)
    assert again.session == before.session


def test_fault_a_learner_paused_for_half_a_minute_of_steps_loses_none(
    neighbours, counter_environment
):
    """What it does not take is kept for it, and its sender never waits."""
    steps = counter_environment().steps(810, episode_length=99)
    neighbours.start_and_meet()
    neighbours.send(message(step) for step in steps[:60])
    neighbours.wait_for_status(lambda s: s.updates > 5)
    os.kill(neighbours.process.pid, signal.SIGSTOP)
    longest_s = 0.0
    for step in steps[60:]:  # 750 steps: 30 s of acting, sent in seven
        sent_s = time.monotonic()
        neighbours.send([message(step)])
        longest_s = max(longest_s, time.monotonic() - sent_s)
        time.sleep(0.008)
    os.kill(neighbours.process.pid, signal.SIGCONT)
    neighbours.spin_until(
        lambda: neighbours.acks and neighbours.acks[-1].sequence == 810, 60.0
    )
    status = neighbours.wait_for_status(lambda s: s.env_steps == 810 - 9)
    assert (status.transitions_lost, status.transitions_refused) == (0, 0)
    assert longest_s < 0.1


@pytest.mark.parametrize("architecture", ["async_1", "async_2"])
def test_asynchronous_ones_end_no_turns_and_keep_to_the_ratio(
    neighbours, counter_environment, architecture
):
    neighbours.run_here(architecture=architecture)
    neighbours.send(
        message(s) for s in counter_environment().steps(61, episode_length=99)
    )
    status = neighbours.wait_for_status(lambda s: s.updates == 60 - STARTS)
    assert status.architecture == architecture
    assert neighbours.node.count_publishers("learner_turn") == 0


def test_a_free_running_learner_does_not_wait_for_transitions(
    neighbours, counter_environment
):
    neighbours.run_here(updates_per_transition=0.0, replay_capacity=100)
    neighbours.send(
        message(s) for s in counter_environment().steps(51, episode_length=99)
    )
    status = neighbours.wait_for_status(lambda s: s.updates > 300)
    assert status.updates_owed == 0.0
    assert status.buffer_fill == 0.5
    assert status.waiting_for == ""


def test_fault_killed_it_resumes_from_its_last_checkpoint(
    neighbours, counter_environment
):
    neighbours.start_and_meet(checkpoint_period_s=0.3)
    neighbours.send(
        message(s) for s in counter_environment().steps(61, episode_length=99)
    )
    neighbours.wait_for_status(lambda s: s.updates == 30)
    run_dir = neighbours._run_dir
    neighbours.spin_until(
        lambda: (
            any((run_dir / "checkpoints").glob("0*"))
            and newest_checkpoint(run_dir)[0].state.updates == 30
        )
    )
    os.kill(neighbours.process.pid, signal.SIGKILL)
    neighbours.process.communicate()
    neighbours.statuses.clear()
    neighbours.run_here()
    status = neighbours.wait_for_status(lambda s: s.env_steps == 60)
    assert (status.updates, status.buffer_size) == (30, 60)


def test_fault_killed_it_has_all_that_it_acknowledged(neighbours, counter_environment):
    """No checkpoint came between, and the environment is gone: only the disk knows."""
    environment = counter_environment(run_id=2**63 + 1)
    neighbours.start_and_meet()
    neighbours.spin_until(lambda: neighbours.acks, 30.0)  # at once: it has nothing
    assert (neighbours.acks[0].run_id, neighbours.acks[0].sequence) == (0, 0)
    neighbours.send(message(s) for s in environment.steps(61, episode_length=99))
    neighbours.spin_until(lambda: neighbours.acks[-1].sequence == 61, 30.0)
    os.kill(neighbours.process.pid, signal.SIGKILL)
    neighbours.process.communicate()
    first = neighbours.acks[-1]
    neighbours.stop_sending()
    neighbours.acks.clear()
    neighbours.run_here()
    neighbours.spin_until(lambda: neighbours.acks, 60.0)
    ack = neighbours.acks[0]
    assert (ack.run_id, ack.sequence, ack.env_steps) == (2**63 + 1, 61, 60)
    assert ack.session != first.session
    status = neighbours.wait_for_status(lambda s: s.buffer_size)
    assert (status.env_steps, status.buffer_size) == (60, 60)


def test_fault_told_to_end_it_stores_what_was_sent_and_is_still_on_its_way(
    neighbours, counter_environment, tmp_path
):
    steps = counter_environment().steps(600, episode_length=200)
    neighbours.run_here(learning_starts=1000)
    neighbours.spin_until(lambda: neighbours._transitions.get_subscription_count() == 1)
    neighbours.send(message(step) for step in steps)
    neighbours.stop_here()
    checkpoint, _ = newest_checkpoint(tmp_path / "run")
    assert checkpoint.state.env_steps == sum(not step.is_first for step in steps)


def test_fault_a_second_learner_on_the_same_run_exits(neighbours):
    neighbours.run_here()
    errors = neighbours.start().communicate(timeout=30.0)[1]
    assert neighbours.process.returncode == 2
    assert f"is in use by the learner with process id {os.getpid()}" in errors
    neighbours.wait_for_status(lambda s: s)  # the first one goes on


@pytest.fixture
def in_the_way(neighbours):
    """A file in the place of the replay's directory, which acts as a full disk."""
    neighbours._run_dir.mkdir()
    path = neighbours._run_dir / "replay"
    path.touch()
    return path


def test_fault_a_full_disk_does_not_keep_it_from_ending(
    neighbours, counter_environment, in_the_way, capfd
):
    neighbours.run_here()
    neighbours.send(message(s) for s in counter_environment().steps(9))
    neighbours.wait_for_status(lambda s: s.env_steps == 8)
    neighbours.stop_here()
    assert "no checkpoint" in capfd.readouterr().err


def test_fault_a_full_disk_stops_acknowledgements_but_not_learning(
    neighbours, counter_environment, in_the_way
):
    neighbours.listen_to_diagnostics()
    neighbours.run_here(checkpoint_period_s=0.2)
    neighbours.send(
        message(s) for s in counter_environment().steps(61, episode_length=99)
    )
    neighbours.wait_for_status(lambda s: s.updates == 30)
    neighbours.wait_for_health(DiagnosticStatus.ERROR, "no checkpoint")
    assert {ack.sequence for ack in neighbours.acks} == {0}
    in_the_way.unlink()
    neighbours.spin_until(lambda: neighbours.acks[-1].sequence == 61, 20.0)
    neighbours.health.clear()
    neighbours.wait_for_health(DiagnosticStatus.OK, "")
    neighbours.stop_here()
    assert newest_checkpoint(neighbours._run_dir)[0].state.updates == 30


def test_fault_a_wrong_start_exits_with_one_line(neighbours):
    process = neighbours.start(batch_sise=8)
    errors = process.communicate(timeout=30.0)[1]
    assert process.returncode == 2
    assert "unknown parameter batch_sise" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"discount": 1.5}, "discount must be"),
        ({"device": "cuda:99"}, "device 'cuda:99'"),
        ({"replay_device": "cuda:99"}, "replay_device 'cuda:99'"),
        ({"architecture": "async_3"}, "architecture must be one of sequential"),
        (
            {"architecture": "sequential", "updates_per_transition": 0.0},
            "updates_per_transition must be > 0",
        ),
    ],
)
def test_fault_a_wrong_parameter_is_refused(neighbours, parameters, complaint):
    with pytest.raises(ValueError, match=complaint):  # as is said in one line, see above
        neighbours.made_here(**parameters)


def test_fault_there_is_nothing_to_resume(neighbours):
    node = neighbours.made_here(resume=True)
    with pytest.raises(ConfigurationError, match="no whole checkpoint"):
        node.run(Stop())


def test_fault_a_new_run_does_not_mix_with_an_old_one(neighbours):
    old = neighbours._run_dir / "replay" / "segment_00000001.steps"
    old.parent.mkdir(parents=True)
    old.touch()
    node = neighbours.made_here(resume_if_present=False)
    with pytest.raises(ConfigurationError, match="holds a run: resume it, or name"):
        node.run(Stop())
