"""What a dry run tells, without ROS and clock."""

import pytest

from ur5_rl_bringup.core.dry_run import MAX_TROUBLES, Arm, DryRun, Env
from ur5_rl_bringup.core.dry_run_config import DryRunConfig
from ur5_rl_bringup.core.dry_run_record import Range
from ur5_rl_bringup.core.samples import EnvSample
from ur5_rl_env.core.arm_state import ArmState
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.stop_request import MAX_REASON, StopRequest
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_rl_env.core.ur_modes import SafetyMode

VELOCITY = (0.1, -0.25, 0.0, 0.0, 0.0, 0.0)
HELD = (False, True, False, False, True, False)


def arm(state=ArmState.MOVING, **more):
    values = {
        "cause": "because",
        "safety_mode": SafetyMode.NORMAL,
        "joint_states_hz": 125.0,
        "limited": (False,) * 6,
        "velocity_target_rad_s": VELOCITY,
    }
    return Arm(state=state, **values | more)


def env(phase=EnvSample.RUNNING, **more):
    values = {"waiting_for": "", "images_hz": 25.0, "mask_px": 143.0}
    return Env(phase=phase, **values | more)


def request(reason, at_s=10.4, session=1):
    return StopRequest(session=session, steady_ns=round(at_s * 1e9), reason=reason)


@pytest.fixture
def run():
    """Return a dry run in which an episode runs since 10 s."""
    run = DryRun(DryRunConfig(), 0.0)
    run.on_env(env(), 9.0)
    run.on_env(env(), 10.0)
    run.on_arm(arm(), 10.0)
    run.on_joints(START_POSE_RAD)
    assert run.news(10.0) == []
    return run


def test_a_line_says_all_that_a_person_looks_at(run):
    line = run.line(12.0)
    assert line.startswith(
        "| dry | 12 s | joint states 125.0 Hz | camera 25.0 fps | mask 143 px "
        "| arm MOVING | safety NORMAL "
        "| would send +0.100 -0.250 +0.000 +0.000 +0.000 +0.000 rad/s "
        "| limits held nothing | tool0 0."
    )


def test_before_anything_was_heard_a_line_says_so():
    line = DryRun(DryRunConfig(), 0.0).line(0.0)
    assert line.count(" - ") >= 3
    assert "arm - | safety - | would send - rad/s" in line
    assert line.endswith("tool0 -")


@pytest.mark.parametrize("wall", ["-x", "-y", "-z", "+x", "+y", "+z"])
@pytest.mark.parametrize("distance_m", [0.05, -0.02])  # negative: it is outside
def test_the_nearest_wall_is_named(wall, distance_m):
    tool_m = position_of_tool0(START_POSE_RAD)
    lower, upper = ([t - 0.3 for t in tool_m], [t + 0.3 for t in tool_m])
    side, axis = (lower if wall[0] == "-" else upper), "xyz".index(wall[1])
    side[axis] = tool_m[axis] + (-distance_m if wall[0] == "-" else distance_m)
    config = DryRunConfig(box_lower_m=tuple(lower), box_upper_m=tuple(upper))
    run = DryRun(config, 0.0)
    run.on_joints(START_POSE_RAD)
    assert run.line(1.0).endswith(f"tool0 {distance_m:.3f} m from wall {wall}")


def test_joints_that_were_held_since_the_last_line_are_named_once(run):
    run.on_arm(arm(limited=HELD), 10.1)
    run.on_arm(arm(), 10.2)
    assert "limits held shoulder_lift, wrist_2 |" in run.line(11.0)
    assert "limits held nothing |" in run.line(12.0)


def test_a_run_without_a_fault_has_passed(run):
    assert run.has_passed
    lines = run.summary(60.0)
    assert lines[-1].startswith("PASSED")
    assert "mask 143 to 143 px" in "\n".join(lines)
    assert "at 0.25 to 0.25 rad/s" in "\n".join(lines)


def test_it_lasts_as_long_as_it_should():
    run = DryRun(DryRunConfig(max_minutes=0.5), 100.0)
    assert not run.is_over(129.9)
    assert run.is_over(130.0)
    assert not DryRun(DryRunConfig(max_minutes=0.0), 0.0).is_over(1e9)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (arm(ArmState.PROTECTIVE_STOP), "arm_node: PROTECTIVE_STOP: because"),
        (arm(ArmState.EMERGENCY_STOP), "arm_node: EMERGENCY_STOP: because"),
        (arm(ArmState.FAULT), "arm_node: FAULT: because"),
        (arm(ArmState.DISCONNECTED), "arm_node: DISCONNECTED: because"),
        (arm(ArmState.CONNECTING), "arm_node: CONNECTING: because"),
        (
            arm(ArmState.IDLE, safety_mode=SafetyMode.SAFEGUARD_STOP),
            "safety mode: SAFEGUARD_STOP",
        ),
        (
            env(EnvSample.WAITING, waiting_for="image_raw silent"),
            "env_node: image_raw silent",
        ),
        ("env_node has been silent", "watch_node: env_node has been silent"),
    ],
)
def test_fault_each_trouble_is_told_once_and_fails_the_run(run, told, words):
    hear(run, told)
    (line,) = run.news(10.5)
    assert line == f"| dry | 10 s | FAULT {words}"
    assert run.news(10.6) == []
    hear(run, {Arm: arm(), Env: env(), str: ""}[type(told)])
    (line,) = run.news(10.7)
    assert line.endswith("is in order again")
    assert not run.has_passed
    assert run.summary(60.0)[-1] == "FAILED"
    assert f"10.5 s: {words}" in run.summary(60.0)


def hear(run, told):
    match told:
        case Arm():
            run.on_arm(told, 10.4)
        case Env():
            run.on_env(told, 10.4)
        case str():
            run.on_stop_request(request(told), 10.4)


@pytest.mark.parametrize("state", [ArmState.ARMED, ArmState.STALE, ArmState.IDLE])
def test_what_comes_between_two_episodes_is_no_fault(run, state):
    run.on_arm(arm(state), 10.4)
    run.on_env(env(EnvSample.RESETTING, waiting_for="the arm"), 10.4)
    assert run.news(10.5) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize(
    ("make", "name"), [(arm, "joint_states_hz"), (env, "images_hz"), (env, "mask_px")]
)
def test_fault_a_number_that_makes_no_sense_is_refused_by_name(make, name, bad):
    with pytest.raises(ValueError, match=f"{name} must be finite, at least 0, got {bad}"):
        make(**{name: bad})


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), 20.1, -1e30])
def test_fault_a_speed_that_no_joint_has_is_refused(bad):
    with pytest.raises(ValueError, match="velocity_target_rad_s must lie in"):
        arm(velocity_target_rad_s=(0.0, bad, 0.0, 0.0, 0.0, 0.0))


def test_fault_a_state_or_phase_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match=r"state must be in 0\.\.9, got 10"):
        arm(10)
    with pytest.raises(ValueError, match=r"phase must be in 0\.\.2, got 3"):
        env(3)


def test_fault_a_message_that_was_refused_fails_the_run_and_is_told_once(run):
    for why in ("state must be in 0..9, got 77", "another"):
        run.on_refusal("arm_status", why)
    words = "arm_status (refused): state must be in 0..9, got 77"
    assert run.news(10.5) == [f"| dry | 10 s | FAULT {words}"]
    run.on_arm(arm(), 10.6)
    assert run.news(10.7) == []  # what speaks nonsense is not in order again
    assert run.refused == 2
    assert not run.has_passed
    assert f"10.5 s: {words}" in run.summary(60.0)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request("x" * (MAX_REASON + 1)), "characters"),
        (request("late", at_s=9.0), "ago"),
        (request("early", at_s=11.0), "future"),
        (request("", session=2), "takes back"),
    ],
)
def test_fault_a_stop_request_that_the_arm_would_refuse_is_refused(run, asked, words):
    run.on_stop_request(request("env_node has been silent"), 10.4)
    with pytest.raises(ValueError, match=words):
        run.on_stop_request(asked, 10.4)
    assert "FAULT watch_node: env_node has been silent" in run.news(10.5)[0]


def test_fault_a_trouble_that_comes_and_goes_for_ever_takes_no_memory(run):
    for _ in range(MAX_TROUBLES + 10):
        for phase in (EnvSample.WAITING, EnvSample.RUNNING):
            run.on_env(env(phase), 10.4)
            assert len(run.news(10.5)) == 1
    assert len(run.troubles) == MAX_TROUBLES


def test_fault_a_node_that_tells_nothing_any_more(run):
    run.on_arm(arm(), 12.5)
    (line,) = run.news(12.6)
    assert "FAULT env_node (silence): unheard for 2 s" in line


def test_a_start_may_take_its_time():
    run = DryRun(DryRunConfig(), 0.0)
    run.on_arm(arm(ArmState.CONNECTING), 1.0)
    run.on_env(env(EnvSample.WAITING, waiting_for="image_raw"), 1.0)
    assert run.news(9.0) == []
    run.on_env(env(), 9.0)
    run.on_env(env(), 9.9)  # and so may the first episode
    run.on_env(env(EnvSample.WAITING, waiting_for="actor does not answer"), 9.95)
    run.on_env(env(), 11.0)
    assert run.news(11.0) == []
    assert not run.has_passed
    run.on_env(env(), 12.0)
    assert run.has_passed


def test_fault_a_run_in_which_no_episode_began_has_not_passed():
    run = DryRun(DryRunConfig(), 0.0)
    assert run.summary(60.0)[-2:] == ["no episode could begin: no env_node", "FAILED"]
    run.on_env(env(EnvSample.WAITING, waiting_for="image_raw"), 1.0)
    waits = "no episode could begin: env_node waits for image_raw"
    assert run.summary(60.0)[-2:] == [waits, "FAILED"]
    assert not run.has_passed


def test_a_camera_that_looks_elsewhere_is_remarked():
    run = DryRun(DryRunConfig(), 0.0)
    for now_s in (1.0, 2.0):
        run.on_env(env(mask_px=0.0), now_s)
    assert any("has not seen the target" in line for line in run.summary(60.0))


def test_a_range_of_nothing_is_a_dash():
    seen = Range()
    assert seen.text(".1f") == "-"
    seen.add(2.0)
    seen.add(-1.0)
    assert seen.text(".1f") == "-1.0 to 2.0"


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"max_minutes": -1.0}, "max_minutes"),
        ({"max_minutes": float("nan")}, "max_minutes"),
        ({"silence_s": 0.0}, "silence_s"),
        ({"box_lower_m": (0.0, 0.0)}, "box_lower_m"),
        ({"box_upper_m": (0.0, 0.0, float("inf"))}, "box_upper_m"),
    ],
)
def test_fault_a_wrong_parameter_is_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        DryRunConfig(**wrong)
