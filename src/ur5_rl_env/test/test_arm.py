"""The arm's state machine, driven to the millisecond without a clock."""

from dataclasses import replace

import pytest

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import ArmState, RobotSample, fault_of
from ur5_rl_env.core.safety import STILL
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_rl_env.core.ur_modes import RobotMode, RuntimeState, SafetyMode
from ur5_rl_env.core.velocity_command import VelocityCommand
from ur5_sim.core.plant import Plant

MS = 1_000_000
START_NS = 1_000 * MS
FAST = (0.5, 0.0, 0.0, 0.0, 0.5, 0.0)
ROOMY = (1.5, -1.4, 1.6, -3.0, -1.5, 2.8)  # far from every limit


class Rig:
    """An arm on a plant; time passes in control cycles only."""

    def __init__(self, q=ROOMY, **config):
        self.arm = Arm(ArmConfig(**config))
        self.plant = Plant(q)
        self.now_ns = START_NS
        self.modes = {
            "robot_mode": RobotMode.RUNNING,
            "safety_mode": SafetyMode.NORMAL,
            "runtime_state": RuntimeState.PLAYING,
        }
        self.sent = []
        self.sequence = 0
        self.tick()

    def sample(self):
        return RobotSample(
            robot_s=self.now_ns / 1e9,
            arrival_ns=self.now_ns,
            q=self.plant.q,
            qd=self.plant.qd,
            **self.modes,
        )

    def tick(self):
        decision = self.arm.tick(self.now_ns, self.sample())
        if decision.is_sent:
            self.plant.speedj(decision.velocity, 4.0)
        else:
            self.plant.brake()
        self.plant.step()
        self.sent.append(decision)
        self.now_ns += 8 * MS
        return decision

    def command(self, velocity=FAST, age_ms=0.0, session=1):
        self.sequence += 1
        sent_ns = self.now_ns - round(age_ms * MS)
        made = VelocityCommand(session, self.sequence, sent_ns, velocity)
        return self.arm.offer(made, self.now_ns)

    def follow(self, cycles, velocity=FAST):
        """Command each 40 ms."""
        for cycle in range(cycles):
            if cycle % 5 == 0:
                assert self.command(velocity) == ""
            self.tick()

    def run(self, cycles):
        for _ in range(cycles):
            self.tick()
        return self

    def until(self, condition, cycles=1000):
        for cycle in range(cycles):
            if condition():
                return cycle * 0.008
            self.tick()
        raise AssertionError(f"never; {self.arm.state.name}: {self.arm.cause}")

    @property
    def speed(self):
        return max(map(abs, self.plant.qd))


def test_arm_rests_until_commanded():
    rig = Rig().run(10)
    assert rig.arm.state == ArmState.IDLE
    assert all(decision.velocity == STILL for decision in rig.sent)
    assert all(decision.is_sent for decision in rig.sent)  # feeds the robot's watchdog


def test_commands_are_followed_at_the_acceleration_of_the_task():
    rig = Rig()
    rig.follow(50)
    assert rig.arm.state == ArmState.MOVING
    assert rig.plant.qd == pytest.approx(FAST, abs=1e-3)
    first = [decision.velocity[0] for decision in rig.sent[1:4]]
    assert first == pytest.approx([0.0112, 0.0224, 0.0336])  # 1.4 rad/s^2 * 8 ms


def test_last_joint_is_held_whatever_the_command_says():
    rig = Rig()
    rig.follow(50, velocity=(0.1, 0.0, 0.0, 0.0, 0.0, 0.5))
    assert all(decision.velocity[5] == 0.0 for decision in rig.sent)


@pytest.mark.parametrize("phase_ms", [0, 2, 4, 6])
def test_fault_silent_commander_arm_rests_within_250_ms(phase_ms):
    rig = Rig()
    rig.follow(66, velocity=(0.7, 0.0, 0.0, 0.0, 0.7, 0.0))
    rig.now_ns += phase_ms * MS
    rig.command((0.7, 0.0, 0.0, 0.0, 0.7, 0.0))
    assert rig.speed > 0.69
    since_ns = rig.now_ns
    rig.until(lambda: rig.speed < 0.01)
    assert (rig.now_ns - since_ns) / MS <= 250
    assert rig.arm.state == ArmState.STALE
    assert rig.arm.cause == "commands stopped coming"


def test_braking_begins_before_the_arm_is_called_stale():
    rig = Rig()
    rig.follow(50)
    rig.run(9)  # the last command is now 112 ms old
    assert rig.arm.state == ArmState.MOVING
    assert rig.speed < 0.4  # from 0.5


def test_late_command_resumes():
    rig = Rig()
    rig.follow(50)
    rig.run(9)
    slowed = rig.plant.target_qd[0]
    assert 0.2 < slowed < 0.4
    rig.follow(50)
    assert rig.sent[-50].velocity[0] == pytest.approx(slowed, abs=0.07)  # no jump
    assert rig.arm.state == ArmState.MOVING
    assert rig.plant.qd == pytest.approx(FAST, abs=1e-3)


def test_stale_arm_takes_a_fresh_command():
    rig = Rig()
    rig.follow(20)
    rig.run(50)
    rig.follow(20)
    assert rig.arm.state == ArmState.MOVING


def test_fault_robot_silent_for_50_ms_is_not_driven_blindly():
    rig = Rig()
    rig.follow(50)
    old = rig.sample()
    for _ in range(10):
        rig.now_ns += 8 * MS
        rig.command()
        decision = rig.arm.tick(rig.now_ns, old)
    assert decision.velocity == STILL


@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "moving"])
def test_move_to_start(moving):
    rig = Rig()
    if moving:
        rig.follow(50)
    move = rig.arm.move_to_start(rig.plant.q)
    took_s = rig.until(lambda: move.result is not None)
    assert move.result == (True, "arm is at the start pose")
    assert rig.plant.q == pytest.approx(START_POSE_RAD, abs=0.005)
    assert took_s < 2.5
    assert rig.arm.state == ArmState.IDLE
    rig.run(30)
    assert rig.plant.q == pytest.approx(START_POSE_RAD, abs=0.005)


def test_commands_during_the_move_are_discarded():
    rig = Rig()
    rig.follow(50)
    move = rig.arm.move_to_start(rig.plant.q)
    assert rig.command() == "arm is on its way to the start pose"
    rig.until(lambda: move.result is not None)
    rig.run(50)
    assert rig.speed < 1e-3
    assert rig.arm.state == ArmState.IDLE


def test_fault_arm_that_does_not_arrive_names_the_farthest_joint():
    rig = Rig()
    move = rig.arm.move_to_start(rig.plant.q)
    rig.plant = Plant(ROOMY)
    rig.plant.speedj = lambda *_: None  # brakes stuck
    took_s = rig.until(lambda: move.result is not None)
    assert took_s == pytest.approx(6.0, abs=0.05)
    success, text = move.result
    assert not success
    assert "shoulder_lift_joint is 0.600 rad away after 6.0 s" in text
    assert rig.arm.state == ArmState.IDLE


def test_only_one_move_at_a_time():
    rig = Rig()
    rig.arm.move_to_start(rig.plant.q)
    assert rig.arm.move_to_start(rig.plant.q).result == (
        False,
        "arm is already on its way",
    )


def test_stop_brakes_and_holds_until_recovered():
    rig = Rig()
    rig.follow(50)
    rig.arm.stop("stopped by hand")
    rig.run(1)
    assert rig.until(lambda: rig.speed < 0.01) < 0.2
    assert (rig.arm.state, rig.arm.cause) == (ArmState.FAULT, "stopped by hand")
    assert rig.command() == "stopped by hand"
    assert rig.arm.move_to_start(rig.plant.q).result[0] is False
    assert rig.arm.recover() == (True, "arm is ready")
    rig.run(50)
    assert (rig.arm.state, rig.speed < 1e-6) == (ArmState.IDLE, True)
    rig.follow(10)
    assert rig.arm.state == ArmState.MOVING


def test_stop_ends_a_move():
    rig = Rig()
    move = rig.arm.move_to_start(rig.plant.q)
    rig.run(30)
    rig.arm.stop("stopped by hand")
    rig.run(1)
    assert move.result == (False, "stopped by hand")
    assert rig.arm.state == ArmState.FAULT


FAULTS = [
    pytest.param("safety_mode", 3, ArmState.PROTECTIVE_STOP, "protective stop", id="p"),
    pytest.param("safety_mode", 7, ArmState.EMERGENCY_STOP, "release the button", id="e"),
    pytest.param("safety_mode", 6, ArmState.EMERGENCY_STOP, "SYSTEM_EMERGENCY", id="s"),
    pytest.param("safety_mode", 5, ArmState.FAULT, "SAFEGUARD_STOP", id="safeguard"),
    pytest.param("safety_mode", 42, ArmState.FAULT, "SafetyMode 42", id="unknown"),
    pytest.param("robot_mode", 3, ArmState.FAULT, "POWER_OFF: switch it on", id="power"),
    pytest.param("runtime_state", 1, ArmState.FAULT, "program is STOPPED", id="program"),
]


@pytest.mark.parametrize(("field", "value", "state", "cause"), FAULTS)
def test_fault_of_the_robot_ends_everything(field, value, state, cause):
    rig = Rig()
    rig.follow(50)
    move = rig.arm.move_to_start(rig.plant.q)
    rig.modes[field] = value
    decision = rig.tick()
    assert not decision.is_sent
    assert rig.arm.state == state
    assert cause in rig.arm.cause
    assert move.result == (False, rig.arm.cause)
    assert rig.command() == rig.arm.cause


@pytest.mark.parametrize(("field", "value", "state", "cause"), FAULTS)
def test_fault_that_has_gone_moves_nothing_by_itself(field, value, state, cause):
    rig = Rig()
    good = rig.modes[field]
    rig.modes[field] = value
    rig.run(3)
    rig.modes[field] = good
    assert not any(decision.is_sent for decision in rig.run(5).sent[-5:])
    assert rig.arm.state == state
    assert "recover_arm" in rig.arm.cause
    assert rig.arm.recover()[0] is False  # the link has to be made anew
    assert rig.arm.needs_rebuild


def test_reduced_mode_is_no_fault():
    sample = replace(Rig().sample(), safety_mode=SafetyMode.REDUCED)
    assert fault_of(sample) is None
    assert sample.can_move


def test_limits_are_reported_per_joint():
    rig = Rig()
    rig.follow(400, velocity=(0.0, 0.0, 0.0, -0.5, 0.0, 0.0))
    assert rig.sent[-1].limited == (False, False, False, True, False, False)
    assert rig.speed < 0.01


def test_states_are_those_of_the_message():
    from ur5_rl_interfaces.msg import ArmStatus

    assert {s.name: s.value for s in ArmState} == {
        s.name: getattr(ArmStatus, s.name) for s in ArmState
    }
