"""The environment node on real rclpy, among fake neighbours in one process."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger

from ur5_rl_env.core.task import JOINT_NAMES, START_POSE_RAD
from ur5_rl_env.nodes.env_node import EnvNode
from ur5_rl_interfaces.msg import (
    Action,
    ArmStatus,
    EnvStatus,
    EpisodeSummary,
    LearnerTurn,
    Observation,
    TargetState,
    Transition,
)
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import cv2_to_imgmsg
from ur5_rl_ros.process import Stop, spinning_in_background

pytestmark = pytest.mark.realtime

HEIGHT, WIDTH = 9, 16
SETTINGS = {"height_px": HEIGHT, "width_px": WIDTH, "episode_s": 0.4}
RED = (0, 0, 255)


def picture(number):
    """Return an image, grey by its number, with a red target in a corner."""
    image = np.full((HEIGHT, WIDTH, 3), number % 256, np.uint8)
    image[-2:, -2:] = RED
    return image


def living(number, now):
    """Return what a camera that works publishes as its image of that number."""
    msg = cv2_to_imgmsg(picture(number), "bgr8")
    msg.header.stamp = now.to_msg()
    return msg


def frozen(_number, now):
    return living(7, now)


def too_small(number, now):
    msg = cv2_to_imgmsg(picture(number)[1:], "bgr8")
    msg.header.stamp = now.to_msg()
    return msg


def in_another_encoding(number, now):
    msg = living(number, now)
    msg.encoding = "32FC1"
    return msg


def without_its_last_bytes(number, now):
    msg = living(number, now)
    msg.data = msg.data[:-5]
    return msg


def slow(number, now):
    return living(number, now) if number % 10 == 0 else None


def every_third(number, now):
    return living(number, now) if number % 3 == 0 else None


def late(number, now):
    return living(number, now - Duration(seconds=0.1))


def dark(number, now):
    msg = cv2_to_imgmsg(np.full((HEIGHT, WIDTH, 3), number % 9, np.uint8), "bgr8")
    msg.header.stamp = now.to_msg()
    return msg


def at_rest(now):
    """Return what a driver that works publishes."""
    joints = JointState(name=JOINT_NAMES, position=START_POSE_RAD, velocity=[0.0] * 6)
    joints.header.stamp = now.to_msg()
    return joints


def not_a_number(now):
    joints = at_rest(now)
    joints.position[2] = np.nan
    return joints


def wrong_names(now):
    joints = at_rest(now)
    joints.name = [f"axis_{k}" for k in range(6)]
    return joints


def named_twice(now):
    joints = at_rest(now)
    joints.name, joints.position = [*joints.name, "elbow_joint"], [0.0] * 7
    joints.velocity = [0.0] * 7
    return joints


def wrong_length(now):
    joints = at_rest(now)
    joints.position = joints.position[:5]
    return joints


def absurd(now):
    joints = at_rest(now)
    joints.position[0] = 1e300
    return joints


def no_instant(now):
    joints = at_rest(now)
    joints.header.stamp.nanosec = 2**32 - 1
    return joints


class Neighbours(Node):
    """Arm, camera, display and actor in one node, each with a switch."""

    def __init__(self, context):
        super().__init__("neighbours", context=context)
        self.alive = {"arm": True, "camera": True, "display": True, "actor": True}
        self.arrives = True
        self.observations, self.transitions = [], []
        self.summaries, self.statuses, self.reset_episodes = [], [], []
        self.next_action = 0.0
        publish, listen = self.create_publisher, self.create_subscription
        self._joints = publish(JointState, "joint_states", qos.SENSOR)
        self._images = publish(Image, "image_raw", qos.SENSOR)
        self._arm = publish(ArmStatus, "arm_status", qos.STATUS)
        self._target = publish(TargetState, "target_state", qos.SENSOR)
        self._actions = publish(Action, "action", qos.COMMAND)
        listen(Observation, "observation", self._on_observation, qos.COMMAND)
        listen(Transition, "transition", self._on_transition, qos.TRANSITION)
        listen(EpisodeSummary, "episode_summary", self.summaries.append, qos.STATUS)
        listen(EnvStatus, "env_status", self._on_status, qos.STATUS)
        self.arm_state, self.arm_cause = ArmStatus.IDLE, "connected: call enable_arm"
        self.enables, self.refusal, self.recoveries = 0, "", 0
        self.create_service(Trigger, "enable_arm", self._enable)
        self.create_service(Trigger, "unlock_arm", self._unlock)
        self.move_service = self.create_service(Trigger, "move_to_start", self._move)
        self.create_service(ResetTarget, "reset_target", self._reset)
        self.create_timer(0.008, self._sense)
        self.create_timer(0.04, self._see)
        self._images_sent = 0
        self.camera, self.driver = living, at_rest
        self.learner_s = 0.0  # it takes for one time step
        self._turn, self._turns = LearnerTurn(), None
        self._turn_due_s = None

    def start_learner(self):
        self._turns = self.create_publisher(LearnerTurn, "learner_turn", qos.POLICY)
        self.alive["learner"] = True
        self._turns.publish(self._turn)

    def _on_transition(self, msg):
        self.transitions.append(msg)
        self._turn.run_id, self._turn.sequence = msg.run_id, msg.sequence
        self._turn.policy_version = 1000 + msg.sequence
        self._turn_due_s = time.monotonic() + self.learner_s

    def _learn(self):
        """End the turn when its time has come; a learner that died ends none."""
        is_due = self._turn_due_s is not None and time.monotonic() >= self._turn_due_s
        if self._turns is not None and self.alive["learner"] and is_due:
            self._turn_due_s = None
            self._turns.publish(self._turn)

    def _enable(self, _request, response):
        self.enables += 1
        response.success, response.message = not self.refusal, self.refusal
        if response.success:
            self.arm_state, self.arm_cause = ArmStatus.ARMED, "waits for a command"
        return response

    def _unlock(self, _request, response):
        self.recoveries += 1
        response.success = self.arm_state == ArmStatus.PROTECTIVE_STOP
        if response.success:
            self.arm_state, self.arm_cause = ArmStatus.IDLE, "arm has recovered"
        return response

    def _move(self, _request, response):
        response.success = self.arrives
        response.message = "elbow did not arrive"
        return response

    def _reset(self, request, response):
        self.reset_episodes.append(request.episode)
        response.success = True
        return response

    def _on_status(self, msg):
        self.statuses.append((msg.phase, msg.waiting_for))

    def _on_observation(self, msg):
        self.observations.append(msg)
        if not self.alive["actor"]:
            return
        self.next_action = (self.next_action + 0.01) % 1.0
        reply = Action(run_id=msg.run_id, episode=msg.episode, step=msg.step)
        reply.action = np.full(5, self.next_action, np.float32)
        reply.policy_version = 3
        self._actions.publish(reply)

    def _sense(self):
        self._learn()
        if self.alive["arm"]:
            self._joints.publish(self.driver(self.get_clock().now()))
            self._arm.publish(ArmStatus(state=self.arm_state, cause=self.arm_cause))
        if self.alive["display"]:
            self._target.publish(TargetState())

    def _see(self):
        if not self.alive["camera"]:
            return
        self._images_sent += 1
        msg = self.camera(self._images_sent, self.get_clock().now())
        if msg is not None:
            self._images.publish(msg)


@contextmanager
def running_env(context, **settings):
    """Run the node as its process does: loop in one thread, callbacks in another."""
    parameters = [Parameter(k, value=v) for k, v in (SETTINGS | settings).items()]
    node = EnvNode(context=context, parameter_overrides=parameters)
    stop = Stop()

    def loop():
        with spinning_in_background(node):
            node.run(stop)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield node
    finally:
        stop.request()
        thread.join(timeout=5.0)
        assert not thread.is_alive()
        node.destroy_node()


@pytest.fixture
def neighbours(ros: SingleThreadedExecutor):
    node = Neighbours(ros.context)
    ros.add_node(node)
    yield node
    node.destroy_node()


def test_episodes_run_and_every_step_reaches_the_learner(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: len(neighbours.summaries) >= 2)
    first = [t for t in neighbours.transitions if t.episode == 1]
    assert [t.step for t in first] == list(range(11))
    assert [t.is_first for t in first] == [True] + [False] * 10
    assert [t.is_last for t in first] == [False] * 10 + [True]
    assert not any(t.is_terminal for t in first)
    sequences = [t.sequence for t in neighbours.transitions]
    assert sequences == list(range(1, len(sequences) + 1))
    assert neighbours.reset_episodes[:2] == [1, 2]
    summary = neighbours.summaries[0]
    assert (summary.end, summary.steps, summary.policy_version) == ("time_limit", 10, 3)


def test_episodes_count_from_where_they_are_told_to(ros, neighbours, spin_until):
    with running_env(ros.context, first_episode=10_001):
        spin_until(lambda: neighbours.summaries)
    assert neighbours.reset_episodes[0] == 10_001
    assert neighbours.summaries[0].episode == 10_001


def test_stacks_and_actions_arrive_as_they_happened(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: neighbours.summaries)
    frames, first = {}, None
    for msg in neighbours.transitions:
        planes = np.frombuffer(msg.frames, np.uint8).reshape(-1, 3, HEIGHT, WIDTH)
        frames |= {n: int(p[0, 0, 0]) for n, p in zip(msg.frame_ids, planes, strict=True)}
        values = [frames[n] for n in msg.stack_ids]  # every frame came at or before
        first = values[-1] if msg.is_first else first
        behind = (values[-1] - first) % 256
        ages = [(values[-1] - v) % 256 for v in values]
        assert ages == [min(2, behind), min(1, behind), 0]
    sent = {(o.episode, o.step): o for o in neighbours.observations}
    for msg in neighbours.transitions:
        seen = sent.get((msg.episode, msg.step))
        if seen is not None:
            np.testing.assert_array_equal(seen.proprioception, msg.proprioception)
            np.testing.assert_array_equal(msg.action, msg.proprioception[10:])


def test_the_cycle_keeps_its_pace(ros, neighbours, spin_until):
    with running_env(ros.context, episode_s=2.0):
        spin_until(lambda: neighbours.summaries, timeout_s=15.0)
    cycle_ms = np.array(neighbours.summaries[0].cycle_ms)
    assert len(cycle_ms) == 50
    assert np.median(cycle_ms) == pytest.approx(40.0, abs=1.0)


def test_fault_a_learner_that_comes_back_gets_all_that_it_missed(
    ros, neighbours, spin_until
):
    with running_env(ros.context):
        spin_until(lambda: len(neighbours.summaries) >= 2)
        late = []
        neighbours.create_subscription(
            Transition, "transition", late.append, qos.TRANSITION
        )
        spin_until(lambda: late and late[-1].episode > 3)
    assert [t.sequence for t in late] == list(range(1, len(late) + 1))


@pytest.mark.parametrize(
    ("who", "end"),
    [
        ("camera", "image_raw has been silent"),
        ("display", "target_state has been silent"),
        ("arm", "joint_states has been silent"),
        ("actor", "actor does not answer"),
    ],
)
def test_fault_a_neighbour_that_dies_ends_the_episode_by_name(
    ros, neighbours, spin_until, who, end
):
    with running_env(ros.context, episode_s=30.0):
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.alive[who] = False
        spin_until(lambda: neighbours.summaries)
        assert end in neighbours.summaries[0].end
        assert not neighbours.transitions[-1].is_last  # cut off, not truncated
        neighbours.alive[who] = True
        spin_until(lambda: neighbours.transitions[-1].episode >= 2)


@pytest.mark.parametrize(
    ("camera", "end"),
    [
        (frozen, "camera is frozen: 5 equal images in a row"),
        (
            too_small,
            "image_raw has been silent for more than 0.2 s (refused: image has sh",
        ),
        (in_another_encoding, "(refused: encoding must be one of"),
        (without_its_last_bytes, "(refused: image of 427 bytes does not hold 9 rows"),
        (slow, "image_raw has been silent for more than 0.2 s"),
        (late, "image are more than 0.05 s apart for 25 ticks in a row"),
    ],
)
def test_fault_a_camera_that_goes_wrong_ends_the_episode_by_name_and_may_come_back(
    ros, neighbours, spin_until, camera, end
):
    with running_env(ros.context, episode_s=30.0):
        spin_until(lambda: len(neighbours.transitions) > 5)
        before = neighbours.transitions[-1].step
        neighbours.camera = camera
        spin_until(lambda: neighbours.summaries)
        assert end in neighbours.summaries[0].end
        assert neighbours.summaries[0].steps - before < (30 if camera is late else 12)
        assert not neighbours.transitions[-1].is_last  # cut off, not truncated
        is_silent = "image_raw" in end or "refused" in end
        assert (neighbours.summaries[0].held_observations > 0) is is_silent
        neighbours.camera = living
        spin_until(lambda: neighbours.transitions[-1].episode >= 2)


def test_an_image_within_200_ms_is_waited_for_and_the_episode_goes_on(
    ros, neighbours, spin_until
):
    with running_env(ros.context, episode_s=1.0):
        spin_until(lambda: neighbours.transitions)
        neighbours.camera = every_third  # 120 ms apart: each is acted on for 80
        spin_until(lambda: neighbours.summaries)
    summary = neighbours.summaries[0]
    assert (summary.end, summary.steps) == ("time_limit", 25)
    assert summary.held_observations > 0


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (not_a_number, "q must be 6 finite numbers"),
        (wrong_names, "joint_states lacks ['elbow_joint'"),
        (named_twice, "joint_states names a joint twice"),
        (wrong_length, "joint_states lacks a position"),
        (absurd, "q must lie in +-12.6"),
        (no_instant, "nanosec of a stamp must be < 1e9"),
    ],
)
def test_fault_joint_states_that_cannot_be_are_refused_by_name_and_counted(
    ros, neighbours, spin_until, driver, reason
):
    with running_env(ros.context, episode_s=30.0) as env:
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.driver = driver
        spin_until(lambda: neighbours.summaries)
        end = neighbours.summaries[0].end
        assert (
            f"joint_states has been silent for more than 0.15 s (refused: {reason}" in end
        )
        assert env._inputs.refused > 10
        neighbours.driver = at_rest
        spin_until(lambda: neighbours.transitions[-1].episode >= 2)
        assert env._inputs.fault() == ""


def test_fault_no_episode_begins_while_the_target_is_not_seen(
    ros, neighbours, spin_until
):
    neighbours.camera = dark
    words = "the target is not seen: 0 red pixels, at least 1 expected"
    with running_env(ros.context):
        spin_until(lambda: any(words in said for _, said in neighbours.statuses))
        spin_until(lambda: len(neighbours.reset_episodes) >= 2)  # it tries again
        assert not neighbours.observations
        assert not neighbours.transitions
        neighbours.camera = living
        spin_until(lambda: neighbours.summaries)
    assert neighbours.summaries[0].end == "time_limit"
    assert neighbours.summaries[0].first_mask_px == 4.0


def test_a_target_out_of_sight_during_an_episode_is_no_fault(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: neighbours.transitions)
        neighbours.camera = dark
        spin_until(lambda: neighbours.summaries)
    assert neighbours.summaries[0].end == "time_limit"
    assert neighbours.summaries[0].last_mask_px == 0.0


def test_without_a_display_no_target_is_needed(ros, neighbours, spin_until):
    neighbours.camera = dark
    with running_env(ros.context, min_mask_px=0.0):
        spin_until(lambda: neighbours.summaries)


def test_it_says_what_it_waits_for(ros, neighbours, spin_until):
    neighbours.alive["camera"] = False
    with running_env(ros.context):
        spin_until(lambda: any("image_raw" in words for _, words in neighbours.statuses))
        neighbours.alive["camera"] = True
        spin_until(lambda: (EnvStatus.RUNNING, "") in neighbours.statuses)


def test_fault_a_reset_that_fails_is_said_and_tried_again(ros, neighbours, spin_until):
    neighbours.arrives = False
    with running_env(ros.context):
        spin_until(lambda: any("elbow" in words for _, words in neighbours.statuses))
        neighbours.arrives = True
        spin_until(lambda: neighbours.transitions)


def test_fault_an_arm_that_dies_on_the_way_home_is_said_at_once(
    ros, neighbours, spin_until
):
    with arm_that_never_arrives(neighbours), running_env(ros.context):
        spin_until(lambda: not neighbours.alive["arm"])
        died_s = time.monotonic()
        spin_until(
            lambda: any("reset failed: arm_status" in w for _, w in neighbours.statuses)
        )
        assert time.monotonic() - died_s < 3.0  # not the 15 s of a reset


@contextmanager
def arm_that_never_arrives(neighbours):
    """Let move_to_start take for ever, in its own thread, and the arm fall silent."""
    context, is_over = neighbours.context, threading.Event()

    def dies(_request, response):
        neighbours.alive["arm"] = False
        is_over.wait(10.0)
        return response

    neighbours.destroy_service(neighbours.move_service)
    node = Node("slow_arm", context=context)
    node.create_service(Trigger, "move_to_start", dies)
    with spinning_in_background(node):
        yield
        is_over.set()
    node.destroy_node()


def test_fault_malformed_messages_are_refused_and_it_goes_on(ros, neighbours, spin_until):
    with running_env(ros.context) as env:
        spin_until(lambda: neighbours.transitions)
        bad_image = cv2_to_imgmsg(np.zeros((3, 4, 3), np.uint8), "bgr8")
        inputs = env._inputs
        inputs.on_image(bad_image)
        inputs.on_image(Image(encoding="32FC1"))
        inputs.on_joint_state(JointState(name=["elbow_joint"], position=[1.0]))
        nan = np.full(5, np.nan, np.float32)
        inputs.on_action(Action(run_id=env._run_id, action=nan))
        assert inputs.refused == 4
        count = len(neighbours.transitions)
        spin_until(lambda: len(neighbours.transitions) > count + 5)


def test_fault_a_misspelt_parameter_refuses_to_start(ros):
    parameters = [Parameter("action_perid_s", value=0.04)]
    with pytest.raises(ValueError, match="action_perid_s"):
        EnvNode(context=ros.context, parameter_overrides=parameters)


def test_no_observation_is_published_after_the_last_step(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: len(neighbours.summaries) >= 2)
    steps = [o.step for o in neighbours.observations if o.episode == 1]
    assert steps == list(range(10))
    assert all(o.steady_ns <= time.monotonic_ns() for o in neighbours.observations)


# The sequential architecture: the environment waits for the learner.


def test_sequential_each_observation_waits_for_the_step_before(
    ros, neighbours, spin_until
):
    neighbours.start_learner()
    with running_env(ros.context, waits_for_learner=True):
        spin_until(lambda: len(neighbours.summaries) >= 2)
    for number in (1, 2):
        seen = [o for o in neighbours.observations if o.episode == number]
        sent = {t.step: t for t in neighbours.transitions if t.episode == number}
        for msg in seen[1:]:
            assert msg.policy_version == 1000 + sent[msg.step - 1].sequence
    summary = neighbours.summaries[1]
    assert (summary.end, summary.steps) == ("time_limit", 10)
    assert len(summary.learner_wait_ms) == len(summary.cycle_ms) == 10
    assert np.median(summary.cycle_ms) == pytest.approx(40.0, abs=2.0)


def test_sequential_a_slow_learner_makes_the_cycle_late_and_that_is_told(
    ros, neighbours, spin_until
):
    neighbours.start_learner()
    neighbours.learner_s = 0.1
    with running_env(ros.context, waits_for_learner=True):
        spin_until(lambda: neighbours.summaries, timeout_s=20.0)
    summary = neighbours.summaries[0]
    assert (summary.end, summary.steps) == ("time_limit", 10)
    cycle_ms, lateness_ms = np.array(summary.cycle_ms), np.array(summary.lateness_ms)
    assert 100.0 <= np.median(cycle_ms) < 160.0
    waits_ms = np.array(summary.learner_wait_ms)
    assert np.all(lateness_ms >= waits_ms)
    assert np.median(waits_ms) > 10.0
    sent = {t.step: t for t in neighbours.transitions if t.episode == 1}
    for msg in neighbours.observations:  # taken after the wait: three fresh frames
        ids = [sent[s].stack_ids[-1] for s in (msg.step - 1, msg.step) if s in sent]
        assert len(ids) < 2 or ids[1] - ids[0] >= 2


def test_async_nothing_waits_for_a_learner(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: neighbours.summaries)
    assert not any(o.policy_version for o in neighbours.observations)
    assert len(neighbours.summaries[0].learner_wait_ms) == 0


def test_fault_sequential_without_a_learner_says_whom_it_waits_for(
    ros, neighbours, spin_until
):
    with running_env(ros.context, waits_for_learner=True):
        spin_until(lambda: any("learner_turn" in w for _, w in neighbours.statuses))
        assert not neighbours.transitions
        neighbours.start_learner()
        spin_until(lambda: neighbours.summaries)


def test_fault_sequential_a_learner_that_dies_ends_the_episode_and_it_waits(
    ros, neighbours, spin_until
):
    neighbours.start_learner()
    settings = {"waits_for_learner": True, "max_learner_wait_s": 0.3, "episode_s": 30.0}
    with running_env(ros.context, **settings):
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.alive["learner"] = False
        spin_until(lambda: neighbours.summaries)
        assert neighbours.summaries[0].end == "learner did not finish its turn in 0.3 s"
        assert not neighbours.transitions[-1].is_last  # cut off, not truncated
        words = "learner has not finished with the newest time step"
        spin_until(lambda: (EnvStatus.WAITING, words) in neighbours.statuses)
        neighbours.alive["learner"] = True
        spin_until(lambda: neighbours.transitions[-1].episode >= 2)


def test_fault_sequential_an_arm_that_fails_ends_the_wait_at_once(
    ros, neighbours, spin_until
):
    neighbours.start_learner()
    settings = {"waits_for_learner": True, "max_learner_wait_s": 60.0, "episode_s": 30.0}
    with running_env(ros.context, **settings):
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.alive["learner"] = neighbours.alive["arm"] = False
        spin_until(lambda: neighbours.summaries, timeout_s=5.0)
        assert "joint_states has been silent" in neighbours.summaries[0].end


def test_fault_sequential_a_turn_of_another_run_is_not_ours(ros, neighbours, spin_until):
    neighbours.start_learner()
    settings = {"waits_for_learner": True, "max_learner_wait_s": 0.3, "episode_s": 30.0}
    with running_env(ros.context, **settings):
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.alive["learner"] = False
        stranger = LearnerTurn(run_id=1, sequence=10**6)
        neighbours._turns.publish(stranger)
        spin_until(lambda: neighbours.summaries)
        assert "its turn" in neighbours.summaries[0].end


def test_each_reset_arms_the_arm(ros, neighbours, spin_until):
    with running_env(ros.context):
        spin_until(lambda: len(neighbours.summaries) >= 2)
    assert neighbours.enables >= 2
    assert [s.end for s in neighbours.summaries[:2]] == ["time_limit"] * 2


def test_fault_an_arm_that_is_disarmed_ends_the_episode_by_name(
    ros, neighbours, spin_until
):
    with running_env(ros.context, episode_s=30.0):
        spin_until(lambda: len(neighbours.transitions) > 5)
        neighbours.refusal = "arm is not armed: watch_node: camera_node is silent"
        neighbours.arm_state, neighbours.arm_cause = ArmStatus.IDLE, "disarmed"
        spin_until(lambda: neighbours.summaries)
        assert neighbours.summaries[0].end == "arm: disarmed"
        said = f"reset failed: enable_arm: {neighbours.refusal}"
        spin_until(lambda: any(said == words for _, words in neighbours.statuses))
        neighbours.refusal = ""
        spin_until(lambda: neighbours.transitions[-1].episode >= 2)


@pytest.mark.parametrize("state", [ArmStatus.EMERGENCY_STOP, ArmStatus.FAULT])
def test_fault_a_latched_stop_waits_for_a_person_and_says_why(
    ros, neighbours, spin_until, state
):
    with running_env(ros.context, episode_s=30.0, max_auto_recoveries=3):
        spin_until(lambda: len(neighbours.transitions) > 5)
        enables = neighbours.enables
        neighbours.arm_state, neighbours.arm_cause = state, "release the button"
        spin_until(lambda: neighbours.statuses[-1] == (0, "arm: release the button"))
        until = time.monotonic() + 2.0
        spin_until(lambda: time.monotonic() > until)
        assert (neighbours.recoveries, neighbours.enables) == (0, enables)


def test_fault_protective_stops_are_ended_so_often_and_no_more(
    ros, neighbours, spin_until, tmp_path
):
    def stop():
        neighbours.arm_state, neighbours.arm_cause = ArmStatus.PROTECTIVE_STOP, "hit"

    def stop_and_go_on(recoveries):
        stop()
        spin_until(lambda: neighbours.recoveries == recoveries)
        neighbours.transitions.clear()
        spin_until(lambda: len(neighbours.transitions) > 5)

    settings = {
        "episode_s": 30.0,
        "max_auto_recoveries": 2,
        "recoveries_file": str(tmp_path / "recoveries"),
    }
    with running_env(ros.context, **settings):
        stop_and_go_on(1)
    with running_env(ros.context, **settings):  # a new process has not forgotten
        stop_and_go_on(2)
        stop()
        said = "arm: hit (2 recoveries in ten minutes are spent: a person has to do it)"
        spin_until(lambda: neighbours.statuses[-1][1] == said)
        until = time.monotonic() + 2.0
        spin_until(lambda: time.monotonic() > until)
        assert neighbours.recoveries == 2
