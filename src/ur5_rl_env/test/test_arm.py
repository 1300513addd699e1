"""The arm's state machine, driven to the millisecond without a clock."""

from dataclasses import replace

import pytest
from arm_rig import FAST, MS, ROOMY, Rig

from ur5_rl_env.core.arm_state import ArmState, fault_of
from ur5_rl_env.core.ramp import STILL
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_rl_env.core.ur_modes import SafetyMode
from ur5_rl_env.core.velocity_command import VelocityCommand
from ur5_sim.core.plant import Plant


def test_arm_rests_until_commanded():
    rig = Rig().run(10)
    assert rig.arm.state == ArmState.ARMED
    assert all(decision.velocity == STILL for decision in rig.sent)
    assert all(decision.is_sent for decision in rig.sent)  # feeds the robot's watchdog


def test_commands_are_followed_at_the_acceleration_of_the_task():
    rig = Rig()
    rig.follow(50)
    assert rig.arm.state == ArmState.MOVING
    assert rig.plant.qd == pytest.approx(FAST, abs=1e-3)
    first = [decision.velocity[0] for decision in rig.sent[2:5]]
    # 100 rad/s^3 * (8 ms)^2, then 1.4 rad/s^2 * 8 ms a cycle.
    assert first == pytest.approx([0.0064, 0.0176, 0.0288])


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


def test_fault_robot_silent_for_20_ms_is_not_driven_blindly():
    rig = Rig()
    rig.follow(50)
    old = rig.sample()
    for late_ms in (8, 16, 24):
        rig.now_ns += 8 * MS
        rig.command()
        decision = rig.arm.tick(rig.now_ns, old)
        is_late = late_ms > 20
        assert (decision.velocity[0] < 0.48) == is_late
        assert rig.arm.cause.startswith("brakes: the robot's samples") == is_late
    assert rig.arm.pauses == 1
    rig.follow(2)
    assert rig.arm.cause == "follows velocity commands"


def test_fault_a_late_command_is_named():
    rig = Rig()
    rig.follow(50)
    rig.run(3)
    assert rig.arm.state == ArmState.MOVING
    assert rig.arm.cause == "brakes: the next command is late"


def test_fault_the_way_home_ends_where_nobody_watches_any_more():
    rig = Rig()
    assert rig.watch("") == ""
    move = rig.arm.move_to_start(rig.plant.q)
    for _ in range(50):
        assert rig.watch("") == ""
        rig.tick()
    assert (move.result, rig.speed > 0.1) == (None, True)
    rig.until(lambda: move.result is not None, 70)
    assert move.result == (False, "nobody watches: watch_node has been silent for 0.5 s")
    assert rig.until(lambda: rig.speed < 0.01) < 0.3
    again = rig.arm.move_to_start(rig.plant.q)
    rig.run(1)
    assert again.result == move.result  # no reset succeeds before there is a new watch
    rig.run(15)  # a commander is silent before it is followed
    rig.follow(100)  # but an episode goes on
    assert (rig.arm.state, rig.speed > 0.4) == (ArmState.MOVING, True)


def test_the_way_home_needs_no_watch_where_there_never_was_one():
    rig = Rig()
    move = rig.arm.move_to_start(rig.plant.q)
    rig.until(lambda: move.result is not None)
    assert move.result[0]


@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "moving"])
def test_move_to_start(moving):
    rig = Rig()
    if moving:
        rig.follow(50)
    move = rig.arm.move_to_start(rig.plant.q)
    took_s = rig.until(lambda: move.result is not None)
    assert move.result == (True, "arm is at the start pose")
    assert rig.plant.q == pytest.approx(START_POSE_RAD, abs=0.005)
    assert took_s < 3.0
    assert rig.arm.state == ArmState.ARMED
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
    assert rig.arm.state == ArmState.ARMED


def test_fault_arm_that_does_not_arrive_names_the_farthest_joint():
    rig = Rig(recovery_speed_rad_s=1.05)
    move = rig.arm.move_to_start(rig.plant.q)
    rig.plant = Plant(ROOMY)
    rig.plant.speedj = lambda *_: None  # brakes stuck
    took_s = rig.until(lambda: move.result is not None)
    assert took_s == pytest.approx(6.0, abs=0.05)
    success, text = move.result
    assert not success
    assert "shoulder_lift_joint is 0.600 rad away after 6.0 s" in text
    assert rig.arm.state == ArmState.ARMED


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
    assert rig.arm.enable(rig.now_ns) == "stopped by hand"
    assert rig.arm.recover() == (True, "arm has recovered: the next reset moves it")
    rig.run(50)
    assert (rig.arm.state, rig.speed < 1e-6) == (ArmState.IDLE, True)
    assert rig.command() == "arm has recovered: call enable_arm"
    rig.run(15)  # a commander is silent before it is followed
    rig.enable()
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


def test_fault_a_person_s_stop_outlasts_the_recovery_of_the_robot():
    rig = Rig()
    rig.modes["safety_mode"] = SafetyMode.PROTECTIVE_STOP
    rig.run(2)
    rig.arm.stop("stopped by hand")
    rig.modes["safety_mode"] = SafetyMode.NORMAL
    assert rig.arm.recover()[0] is False  # first the robot, by itself or not
    rig.arm.on_rebuilt()
    rig.run(2)
    assert (rig.arm.state, rig.arm.cause) == (ArmState.FAULT, "stopped by hand")
    assert rig.arm.enable(rig.now_ns) == "stopped by hand"
    assert rig.arm.recover()[0] is True
    rig.run(1)
    assert rig.arm.state == ArmState.IDLE


def test_recover_of_an_arm_in_order_changes_nothing():
    rig = Rig()
    rig.follow(20)
    assert rig.arm.recover() == (True, "nothing to recover from")
    rig.follow(20)
    assert rig.arm.state == ArmState.MOVING


def test_fault_nothing_is_followed_before_the_first_zero():
    rig = Rig(armed=False)
    assert rig.command() == "connected: call enable_arm"
    assert rig.arm.enable(rig.now_ns) == ""
    assert rig.command() == "connected: call enable_arm"  # a set-point comes first
    assert rig.tick().velocity == STILL
    assert "be silent for 0.12 s first" in rig.command()
    rig.run(15)
    assert rig.command() == ""


def test_fault_who_commands_while_the_arm_goes_home_is_not_followed_after_it():
    rig = Rig()
    move = rig.arm.move_to_start(rig.plant.q)
    for cycle in range(500):
        if cycle % 5 == 0:
            assert rig.command(session=2) != ""
        rig.tick()
    assert (move.result[0], rig.arm.inbox.accepted) == (True, 0)
    assert rig.speed < 1e-3


def test_fault_two_commanders_stop_the_arm_until_one_is_silent():
    rig = Rig()
    rig.follow(50)
    assert "interferes" in rig.command(session=2)  # one alone may be a last word
    rig.follow(5)
    rig.command(session=2)
    rig.run(1)
    assert rig.arm.state == ArmState.FAULT
    assert rig.arm.cause == "2 commanders: sessions 1, 2"
    assert rig.arm.enable(rig.now_ns) == rig.arm.cause  # both were heard just now
    assert rig.until(lambda: rig.speed < 0.01) < 0.2
    rig.run(15)
    assert rig.arm.state == ArmState.IDLE
    rig.enable()
    rig.follow(10)
    assert rig.arm.state == ArmState.MOVING


def test_fault_old_commands_are_not_replayed_after_a_stop():
    rig = Rig()
    rig.follow(20)
    old = VelocityCommand(1, rig.sequence, rig.now_ns, FAST)
    rig.arm.stop("stopped by hand")
    rig.until(lambda: rig.speed < 0.01)
    rig.run(1)
    rig.arm.recover()
    rig.run(1)
    rig.enable()
    assert "does not follow" in rig.arm.offer(
        replace(old, steady_ns=rig.now_ns), rig.now_ns
    )
    rig.run(50)
    assert rig.speed < 1e-6


def test_fault_a_command_from_before_a_stop_is_not_followed_after_it():
    rig = Rig()
    assert rig.command() == ""  # and before the arm has moved:
    rig.arm.stop("stopped by hand")
    rig.run(1)
    rig.arm.recover()
    rig.run(1)
    rig.enable()
    rig.run(1)  # the command is 32 ms old: fresh, as commands go
    assert (rig.sent[-1].velocity, rig.arm.state) == (STILL, ArmState.ARMED)


def test_fault_a_stop_counts_from_the_moment_it_is_asked_for():
    rig = Rig(armed=False)
    rig.arm.stop("stopped by hand")
    assert rig.arm.enable(rig.now_ns) == "stopped by hand"
    watched = Rig(armed=False)
    watched.watch("env_node is silent")
    assert watched.arm.enable(watched.now_ns) == "watch_node: env_node is silent"


def test_disabled_arm_brakes_before_it_is_idle():
    rig = Rig()
    rig.follow(50)
    rig.arm.disable("disarmed by disable_arm")
    assert rig.command() == "arm brakes: disarmed by disable_arm"
    rig.run(1)
    assert rig.arm.cause == "brakes: disarmed by disable_arm"
    assert rig.arm.state == ArmState.MOVING
    assert rig.arm.enable(rig.now_ns) == "arm brakes: disarmed by disable_arm"
    assert rig.until(lambda: rig.arm.state == ArmState.IDLE) < 0.25
    assert rig.speed < 0.01
    assert rig.arm.cause == "disarmed by disable_arm: call enable_arm"


def test_fault_a_stop_request_brakes_and_disarms():
    rig = Rig()
    rig.follow(50)
    assert rig.watch("camera_node is silent") == ""
    assert (
        rig.command() == "arm brakes: watch_node asked for a stop (camera_node is silent)"
    )
    rig.run(1)
    assert rig.arm.cause == "watch_node: camera_node is silent"
    assert rig.until(lambda: rig.speed < 0.01) < 0.2
    assert rig.arm.enable(rig.now_ns) == "watch_node: camera_node is silent"
    assert rig.watch("") == ""
    rig.run(1)
    assert rig.arm.state == ArmState.IDLE
    assert rig.command() == rig.arm.cause
    rig.run(50)
    assert rig.speed < 1e-6
    rig.enable()
    rig.follow(10)


def test_fault_a_stop_request_stands_for_half_a_second_after_the_watch_has_died():
    rig = Rig()
    rig.watch("env_node hangs")
    rig.run(62)
    assert rig.arm.state == ArmState.FAULT
    rig.run(2)
    assert rig.arm.state == ArmState.IDLE
    assert rig.arm.cause.endswith("(env_node hangs): call enable_arm")


def test_the_way_home_is_slow_until_the_arm_has_arrived_once():
    def fastest(rig):
        move = rig.arm.move_to_start(rig.plant.q)
        since = len(rig.sent)
        rig.until(lambda: move.result is not None)
        assert move.result[0]
        return max(max(map(abs, decision.velocity)) for decision in rig.sent[since:])

    def out_and_home(rig):
        rig.follow(100)
        return fastest(rig)

    rig = Rig((1.0, -1.4, 1.6, -3.0, -1.5, 2.8))
    assert fastest(rig) == pytest.approx(0.5)  # a new process
    assert out_and_home(rig) > 0.6
    rig.arm.stop("stopped by hand")
    rig.run(50)
    rig.arm.recover()
    rig.run(1)
    rig.enable()
    assert out_and_home(rig) == pytest.approx(0.5)
    assert out_and_home(rig) > 0.6


def test_a_slow_way_may_take_longer():
    rig = Rig(recovery_speed_rad_s=0.1)
    move = rig.arm.move_to_start(rig.plant.q)
    assert rig.until(lambda: move.result is not None) > 6.0
    assert move.result[0]


def test_dry_run_sends_nothing_but_zero_and_shows_the_rest():
    rig = Rig(dry_run=True)
    rig.follow(50)
    assert rig.arm.state == ArmState.MOVING
    assert rig.arm.cause == "dry run: would follow velocity commands"
    assert rig.sent[-1].target == pytest.approx(FAST, abs=1e-3)
    move = rig.arm.move_to_start(rig.plant.q)
    assert move.result == (True, "dry run: stays where it is")
    rig.arm.stop("stopped by hand")
    rig.run(50)
    assert {decision.velocity for decision in rig.sent} == {STILL}
    assert all(decision.is_sent for decision in rig.sent)
    assert rig.plant.q == ROOMY
