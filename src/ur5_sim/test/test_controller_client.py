"""The unmodified ur_rtde client against the virtual controller, over real sockets."""

import math
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from dashboard_client import DashboardClient
from rtde_control import RTDEControlInterface
from rtde_io import RTDEIOInterface
from rtde_receive import RTDEReceiveInterface

from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.testing import virtual_ur

pytestmark = pytest.mark.realtime

CYCLE_S = 0.008
MOVED = (1.3, *START_POSE_RAD[1:])


@pytest.fixture(scope="module")
def robot():
    with virtual_ur(unlock_delay_s=0.3, power_step_s=0.05) as robot:
        yield robot


@pytest.fixture(scope="module")
def receive(robot):
    client = RTDEReceiveInterface(robot.address)
    yield client
    client.disconnect()


@pytest.fixture(scope="module")
def dashboard(robot):
    client = DashboardClient(robot.address)
    client.connect()
    yield client
    client.disconnect()


@pytest.fixture(scope="module")
def control_once(robot):
    client = RTDEControlInterface(robot.address)
    yield client
    client.disconnect()


@pytest.fixture
def control(robot, control_once):
    """Return the one control client, with its script running and the arm at rest."""
    if not control_once.isProgramRunning():
        control_once.speedStop()  # clears what was left in the command register
        control_once.reuploadScript()
        robot.wait_until(lambda s: s["runtime_state"] == "PLAYING")
        wait_for(control_once.isProgramRunning)
    yield control_once
    if control_once.isProgramRunning():
        control_once.speedStop(10.0)


def wait_for(condition, timeout_s=3.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition never held"
        time.sleep(0.002)


# Reading --------------------------------------------------------------------------------


def test_receive_interface_sees_the_true_state(robot, receive):
    wait_for(lambda: receive.getTimestamp() > 0.0)
    np.testing.assert_allclose(receive.getActualQ(), robot.pose()[0], atol=1e-12)
    assert receive.getRobotMode() == 7
    assert receive.getSafetyMode() == 1
    assert receive.getJointMode() == [253] * 6
    assert len(receive.getActualTCPPose()) == 6
    assert receive.getSpeedScaling() == 1.0


def test_states_are_exactly_one_cycle_apart(robot):
    steps = np.diff(raw_stamps(robot, 100)) / CYCLE_S
    np.testing.assert_allclose(steps, 1.0, atol=1e-6)


def test_custom_recipe_at_25_hz(robot):
    names = ["timestamp", "actual_q"]
    client = RTDEReceiveInterface(robot.address, 25.0, names)
    stamps = set()
    begin = time.monotonic()
    while len(stamps) < 6 and time.monotonic() - begin < 3.0:
        stamps.add(client.getTimestamp())
        time.sleep(0.002)
    client.disconnect()
    np.testing.assert_allclose(np.diff(sorted(stamps))[1:], 5 * CYCLE_S, atol=1e-9)


# Commands -------------------------------------------------------------------------------


def test_a_blocking_call_takes_32_ms(control):
    times = []
    deadline = time.monotonic() + 5.0
    while len(times) < 9 or (min(times) > 0.040 and time.monotonic() < deadline):
        begin = time.monotonic()
        control.isSteady()
        times.append(time.monotonic() - begin)
    assert np.median(times) > 0.028
    assert min(times) < 0.040  # a loaded machine has slow ones


def test_move_j_blocks_until_it_has_arrived(robot, control):
    length_rad = abs(MOVED[0] - robot.pose()[0][0])
    begin = time.monotonic()
    assert control.moveJ(MOVED, 1.05, 1.4)
    took_s = time.monotonic() - begin
    assert took_s == pytest.approx(2 * math.sqrt(length_rad / 1.4), abs=0.15)
    np.testing.assert_allclose(robot.pose()[0], MOVED, atol=1e-3)


def test_asynchronous_move_j_reports_progress_and_stops(robot, control):
    control.moveJ(MOVED, 1.05, 1.4)
    begin = time.monotonic()
    assert control.moveJ(START_POSE_RAD, 0.3, 1.0, True)
    assert time.monotonic() - begin < 0.3
    assert control.getAsyncOperationProgress() >= 0
    robot.wait_until(lambda s: s["is_moving"])
    control.stopJ(4.0)
    assert control.getAsyncOperationProgress() < 0
    robot.wait_until(lambda s: not s["is_moving"], 1.0)
    assert MOVED[0] < robot.pose()[0][0] < START_POSE_RAD[0]


def test_move_j_along_a_path(robot, control):
    rows = [[*q, 1.05, 3.0, 0.0] for q in (MOVED, START_POSE_RAD)]
    assert control.moveJ(rows)
    np.testing.assert_allclose(robot.pose()[0], START_POSE_RAD, atol=1e-3)


def test_speed_j_reaches_its_speed_and_speed_stop_rest(robot, control):
    for _ in range(60):
        begin = control.initPeriod()
        assert control.speedJ([-0.2, 0.1, 0, 0, 0, 0], 1.4, CYCLE_S)
        control.waitPeriod(begin)
    np.testing.assert_allclose(robot.pose()[1][:2], [-0.2, 0.1], atol=1e-4)
    assert control.speedStop(4.0)
    assert np.abs(robot.pose()[1]).max() < 0.02


def test_servo_j_follows(robot, control):
    goal = np.array(robot.pose()[0])
    for _ in range(100):
        begin = control.initPeriod()
        goal[0] -= 0.001
        control.servoJ(list(goal), 0.0, 0.0, CYCLE_S, 0.1, 300)
        control.waitPeriod(begin)
    assert control.servoStop()
    behind_rad = robot.pose()[0][0] - goal[0]
    assert 0.0 < behind_rad < 0.125 * 0.15  # speed times a little more than lookahead


def test_queries(control, receive):
    assert control.isJointsWithinSafetyLimits([0.0] * 6)
    assert not control.isJointsWithinSafetyLimits([6.34] * 6)
    assert control.getTCPOffset() == [0.0] * 6
    assert control.setTcp([0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
    assert control.getTCPOffset() == [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]
    pose = control.getForwardKinematics()
    wait_for(lambda: np.allclose(receive.getActualTCPPose(), pose, atol=1e-6))
    assert control.setTcp([0.0] * 6)
    assert control.setPayload(1.25, [0.0, 0.0, 0.05])
    wait_for(lambda: receive.getPayload() == 1.25)
    assert control.zeroFtSensor()


def test_is_steady_after_a_rest(robot, control):
    control.moveJ(MOVED, 1.05, 1.4)
    assert not control.isSteady()
    wait_for(control.isSteady)


def test_custom_script_and_back_to_the_control_script(robot, control):
    body = f"movej({list(MOVED)}, a=3.0, v=1.0)\nsleep(0.05)"
    assert control.sendCustomScriptFunction("once", body)
    np.testing.assert_allclose(robot.pose()[0], MOVED, atol=1e-3)
    assert control.isProgramRunning()
    assert control.moveJ(START_POSE_RAD, 1.05, 3.0)


def test_stop_script_and_reupload(robot, control):
    control.stopScript()
    assert not control.isProgramRunning()
    assert not control.moveJ(MOVED)  # refused: nothing runs
    assert control.reuploadScript()
    wait_for(control.isProgramRunning)


def test_io_interface(robot, receive):
    client = RTDEIOInterface(robot.address)
    assert client.setStandardDigitalOut(3, True)
    assert client.setToolDigitalOut(1, True)
    assert client.setAnalogOutputVoltage(0, 0.5)
    assert client.setSpeedSlider(0.5)
    wait_for(lambda: receive.getDigitalOutState(3) and receive.getDigitalOutState(17))
    assert not receive.getDigitalOutState(2)
    wait_for(lambda: receive.getTargetSpeedFraction() == 0.5)
    wait_for(lambda: receive.getSpeedScaling() == pytest.approx(0.5))
    client.setSpeedSlider(1.0)
    wait_for(lambda: receive.getSpeedScaling() == pytest.approx(1.0))
    client.disconnect()


# Watchdog, stops, power -----------------------------------------------------------------


def test_watchdog_is_fed_by_commands_and_kicks_and_trips_on_silence(robot, control):
    assert control.setWatchdog(10.0)
    for _ in range(25):
        control.kickWatchdog()
        time.sleep(0.02)
    for _ in range(25):
        control.speedJ([-0.1, 0, 0, 0, 0, 0], 1.4, CYCLE_S)
        time.sleep(0.02)
    assert robot.state()["safety_mode"] == "NORMAL"
    state = robot.wait_until(lambda s: s["safety_mode"] == "PROTECTIVE_STOP", 1.0)
    assert "C207A0" in state["safety_reason"]
    robot.wait_until(lambda s: not s["is_moving"], 1.0)
    wait_for(lambda: not control.isProgramRunning())
    recover(robot)


def recover(robot):
    """Leave a protective stop as an operator does."""
    client = DashboardClient(robot.address)
    client.connect()
    unlock(client)
    client.disconnect()


def unlock(dashboard, timeout_s=7.0):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return dashboard.unlockProtectiveStop()
        except RuntimeError:  # too early
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_triggered_protective_stop_and_its_unlocking(robot, control, receive, dashboard):
    control.triggerProtectiveStop()
    wait_for(receive.isProtectiveStopped)
    assert receive.getSafetyMode() == 3
    assert dashboard.safetymode() == "Safetymode: PROTECTIVE_STOP"
    with pytest.raises(RuntimeError, match="Cannot unlock protective stop until 5s"):
        dashboard.unlockProtectiveStop()
    unlock(dashboard)
    wait_for(lambda: receive.getSafetyMode() == 1)
    assert not control.isProgramRunning()


def test_fault_protective_stop_fails_a_blocking_move_at_once(robot, control, receive):
    other = MOVED if abs(robot.pose()[0][0] - MOVED[0]) > 0.2 else START_POSE_RAD
    assert control.moveJ(other, 0.2, 1.0, True)
    robot.wait_until(lambda s: s["is_moving"])
    begin = time.monotonic()
    robot.command("protective_stop collision")
    assert not control.moveJ(START_POSE_RAD)
    assert time.monotonic() - begin < 0.3
    robot.wait_until(lambda s: not s["is_moving"], 1.0)
    recover(robot)


def test_emergency_stop_cycle(robot, control, receive, dashboard):
    control.speedJ([-0.2, 0, 0, 0, 0, 0], 1.4, CYCLE_S)
    robot.wait_until(lambda s: s["is_moving"])
    robot.command("emergency_stop")
    wait_for(receive.isEmergencyStopped)
    wait_for(lambda: receive.getRobotMode() == 3)
    assert dashboard.robotmode() == "Robotmode: POWER_OFF"
    assert np.abs(robot.pose()[1]).max() < 0.01
    assert not control.speedStop()  # also clears the command that is left over
    robot.command("release_emergency_stop")
    dashboard.restartSafety()
    dashboard.powerOn()
    robot.wait_until(lambda s: s["robot_mode"] == "IDLE")
    dashboard.brakeRelease()
    wait_for(lambda: receive.getRobotMode() == 7)
    assert control.reuploadScript()
    wait_for(control.isProgramRunning)
    assert not robot.state()["is_moving"]


def test_fault_moving_while_a_speed_is_held_ends_the_program(robot, control):
    control.speedJ([-0.1, 0, 0, 0, 0, 0], 1.4, CYCLE_S)
    robot.wait_until(lambda s: s["is_moving"])
    assert not control.moveJ(START_POSE_RAD)
    state = robot.wait_until(lambda s: not s["is_moving"], 1.0)
    assert "another thread is already controlling" in state["events"][-1]


def test_second_control_client_is_refused_but_the_upper_registers_are_free(
    robot, control
):
    with pytest.raises(RuntimeError, match="already in use"):
        RTDEControlInterface(robot.address)
    assert control.isProgramRunning()
    control.stopScript()
    flags = RTDEControlInterface.FLAG_UPPER_RANGE_REGISTERS
    flags |= RTDEControlInterface.FLAG_NO_EXT_FT  # this one has no upper twin
    flags |= RTDEControlInterface.FLAG_UPLOAD_SCRIPT
    upper = RTDEControlInterface(robot.address, -1.0, flags)
    assert upper.isProgramRunning()
    assert upper.isJointsWithinSafetyLimits([0.0] * 6)
    upper.stopScript()
    upper.disconnect()


# Clients that die -----------------------------------------------------------------------

DRIVE = """
import sys, time
from rtde_control import RTDEControlInterface
control = RTDEControlInterface(sys.argv[1])
if float(sys.argv[2]):
    control.setWatchdog(float(sys.argv[2]))
print("driving", flush=True)
while True:
    begin = control.initPeriod()
    control.speedJ([-0.3, 0, 0, 0, 0, 0], 2.0, 0.008)
    control.waitPeriod(begin)
"""


def drive(robot, watchdog_hz):
    """Start a client process that moves the arm until it dies."""
    words = [sys.executable, "-c", DRIVE, robot.address, str(watchdog_hz)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert client.stdout.readline() == b"driving\n"
    robot.wait_until(lambda s: s["qd"][0] < -0.29)
    return client


def test_fault_killed_client_is_stopped_by_its_watchdog():
    with virtual_ur() as robot:
        client = drive(robot, 20.0)
        client.kill()
        killed_ns = time.monotonic_ns()
        client.wait(5.0)
        state = robot.wait_until(lambda s: not s["is_moving"], 2.0)
        stopped_after_s = (state["motion_stopped_ns"] - killed_ns) / 1e9
        assert stopped_after_s < 0.2
        assert state["safety_mode"] == "PROTECTIVE_STOP"


def test_hazard_killed_client_without_a_watchdog_leaves_the_arm_moving():
    with virtual_ur() as robot:
        client = drive(robot, 0.0)
        client.kill()
        client.wait(5.0)
        robot.wait_until(lambda s: s["rtde_clients"] == 0)
        begin_rad = robot.pose()[0][0]
        tick = robot.state()["tick"]
        robot.wait_until(lambda s: s["tick"] > tick + 60)
        assert begin_rad - robot.pose()[0][0] > 0.1
        assert robot.state()["runtime_state"] == "PLAYING"


# Links that break -----------------------------------------------------------------------


def test_fault_link_drop_is_noticed_and_reconnecting_works():
    with virtual_ur() as robot:
        client = RTDEReceiveInterface(robot.address)
        last = client.getTimestamp()
        robot.command("drop_link 0.4")
        wait_for(lambda: not client.isConnected())
        assert client.getTimestamp() >= last  # stale, but there
        with pytest.raises(RuntimeError):
            RTDEReceiveInterface(robot.address)
        tick = robot.state()["tick"]
        robot.wait_until(lambda s: s["tick"] > tick + 55)
        assert client.reconnect()
        stale = client.getTimestamp()
        wait_for(lambda: client.getTimestamp() > stale)
        client.disconnect()


def test_fault_link_drop_under_a_control_client_leaves_the_watchdog_to_stop_the_arm():
    with virtual_ur() as robot:
        client = drive(robot, 20.0)
        dropped_ns = robot.command("drop_link 5")["steady_ns"]
        state = robot.wait_until(lambda s: not s["is_moving"], 2.0)
        assert (state["motion_stopped_ns"] - dropped_ns) / 1e9 < 0.2
        client.kill()
        client.wait(5.0)


def test_fault_silent_link_stops_packages_and_the_arm_but_not_the_connection():
    with virtual_ur() as robot:
        receive = RTDEReceiveInterface(robot.address)
        control = RTDEControlInterface(robot.address)
        control.setWatchdog(10.0)
        control.speedJ([-0.2, 0, 0, 0, 0, 0], 2.0, CYCLE_S)
        before = robot.command("stall 0.5")
        state = robot.wait_until(lambda s: s["safety_mode"] != "NORMAL", 1.0)
        stale = receive.getTimestamp()
        assert state["time_s"] - stale > 0.05
        robot.wait_until(lambda s: s["time_s"] > before["time_s"] + 0.55)
        wait_for(lambda: receive.getTimestamp() > stale)
        assert receive.isConnected()
        control.disconnect()
        receive.disconnect()


# Others ---------------------------------------------------------------------------------


def test_e_series_at_500_hz():
    with virtual_ur(series="e-series") as robot:
        receive = RTDEReceiveInterface(robot.address)
        control = RTDEControlInterface(robot.address)
        assert len(receive.getFtRawWrench()) == 6
        begin = robot.state()
        for _ in range(200):
            period = control.initPeriod()
            assert control.speedJ([-0.2, 0, 0, 0, 0, 0], 2.0, 0.002)
            control.waitPeriod(period)
        end = robot.state()
        ticks_per_s = (end["tick"] - begin["tick"]) / (
            end["steady_ns"] - begin["steady_ns"]
        )
        assert ticks_per_s * 1e9 == pytest.approx(500.0, rel=0.05)
        np.testing.assert_allclose(receive.getActualQd()[0], -0.2, atol=1e-3)
        assert control.speedStop(4.0)
        control.disconnect()
        receive.disconnect()


def test_fault_program_for_an_arm_without_power_is_refused_and_says_so():
    with virtual_ur(power_on=False) as robot:
        receive = RTDEReceiveInterface(robot.address)
        assert receive.getRobotMode() == 3
        assert receive.getJointMode() == [239] * 6
        send_text(robot, "speedj([-0.2,0,0,0,0,0], a=2.0, t=0.4)\n")
        state = robot.wait_until(lambda s: s["events"])
        assert "refused: robot mode is POWER_OFF" in state["events"][-1]
        assert state["runtime_state"] == "STOPPED"
        receive.disconnect()


def test_raw_line_on_the_script_port_moves_the_arm():
    with virtual_ur() as robot:
        send_text(robot, "speedj([-0.2,0,0,0,0,0], a=2.0, t=0.4)\n")
        robot.wait_until(lambda s: s["qd"][0] < -0.19)
        robot.wait_until(lambda s: not s["is_moving"])  # the program has ended: it brakes


def send_text(robot, text):
    with socket.create_connection((robot.address, 30003), 5.0) as connection:
        connection.sendall(text.encode())


def cycles_between_packages(seed):
    faults = {"packet_jitter_s": 0.02, "packet_skip_probability": 0.3, "seed": seed}
    with virtual_ur(**faults) as robot:
        return np.round(np.diff(raw_stamps(robot, 100)) / CYCLE_S).astype(int)


def test_jitter_and_skipping_are_reproducible_faults_that_keep_order():
    steps = cycles_between_packages(seed=3)
    assert np.all(steps >= 1)
    assert 0.15 < 1.0 - 100 / (np.sum(steps) + 1) < 0.45
    np.testing.assert_array_equal(steps, cycles_between_packages(seed=3))
    assert not np.array_equal(steps, cycles_between_packages(seed=4))


def raw_stamps(robot, count):
    """Read robot times from a bare RTDE connection, one per package."""
    with socket.create_connection((robot.address, 30004), 5.0) as connection:
        names = b"timestamp"
        setup = struct.pack(">HBd", 11 + len(names), ord("O"), 125.0) + names
        connection.sendall(setup + struct.pack(">HB", 3, ord("S")))
        stamps = []
        with connection.makefile("rb") as file:
            while len(stamps) < count:
                size, kind = struct.unpack(">HB", file.read(3))
                body = file.read(size - 3)
                if kind == ord("U"):
                    stamps.append(struct.unpack(">d", body[1:])[0])
    return stamps


def test_fault_client_that_never_reads_loses_whole_packages_and_nothing_else():
    with virtual_ur() as robot, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((robot.address, 30004))
        names = b",".join([b"target_q"] * 220)  # 10 kB a package
        setup = struct.pack(">HBd", 11 + len(names), ord("O"), 125.0) + names
        deaf.sendall(setup + struct.pack(">HB", 3, ord("S")))
        state = robot.wait_until(lambda s: s["dropped_packages"] > 20, 30.0)
        assert state["rtde_clients"] == 1
        assert len(raw_stamps(robot, 20)) == 20  # the others do not notice
        buffer = b""
        deaf.settimeout(5.0)
        while len(buffer) < 200_000:
            buffer += deaf.recv(65536)
        while len(buffer) >= 3:
            size, kind = struct.unpack_from(">HB", buffer)
            assert chr(kind) in "OSU"  # frame after frame: none was cut
            buffer = buffer[size:]
