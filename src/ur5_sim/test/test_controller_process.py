"""The controller as a process: start, stop, ports, clock."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from ur5_sim.core.controller.frames import FrameType, frame
from ur5_sim.nodes import controller
from ur5_sim.testing import free_loopback_address, virtual_ur

pytestmark = pytest.mark.realtime

CONTROLLER = (sys.executable, "-m", "ur5_sim.nodes.controller", "--ros-args")


@contextmanager
def running(words):
    """Run a controller for the block, and no longer where the block fails."""
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run_controller(*params):
    """Run a controller that is expected to give up; return code and output."""
    words = [*CONTROLLER, *(word for param in params for word in ("-p", param))]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=10.0
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0_within_a_second(number):
    with virtual_ur() as robot:
        begin = time.monotonic()
        robot.process.send_signal(number)
        assert robot.process.wait(5.0) == 0
        assert time.monotonic() - begin < 1.0
        assert "Traceback" not in robot.log()


@pytest.mark.parametrize("port", [30004, 30003, 29999, 29998])
def test_fault_port_in_use_is_one_line_and_exit_code_2(port):
    address = free_loopback_address()
    with socket.socket() as other:
        other.bind((address, port))
        other.listen()
        code, error = run_controller(f"address:={address}")
    assert code == 2
    assert f"{address}:{port}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("address:=10.1.2.3", "allow_non_loopback"),
        ("adress:=127.0.0.1", "unknown parameter adress"),
        ("series:=cb2", "series must be one of"),
        ("power_on:=3", "power_on must be bool"),
    ],
)
def test_fault_bad_parameter_is_one_line_and_exit_code_2(param, message):
    code, error = run_controller(param)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_parameters_come_from_a_ros_parameter_file(tmp_path):
    address = free_loopback_address()
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    series: cb3\n    power_on: false\n"
        "/**/controller:\n  ros__parameters:\n    series: e-series\n"
        "/**/arm_node:\n  ros__parameters:\n    not_for_the_controller: 1\n"
    )
    words = [*CONTROLLER, "--params-file", str(file), "-p", f"address:={address}"]
    with running(words) as process:
        assert "500 Hz" in process.stderr.readline()


def test_two_robots_live_on_two_addresses():
    with virtual_ur() as one, virtual_ur() as two:
        one.command("protective_stop")
        assert one.state()["safety_mode"] == "PROTECTIVE_STOP"
        assert two.state()["safety_mode"] == "NORMAL"


def test_an_address_is_free_again_at_once():
    address = free_loopback_address()
    for _ in range(3):
        with (
            virtual_ur(address=address) as robot,
            socket.create_connection((address, 30004), 5.0),
        ):
            robot.wait_until(lambda s: s["rtde_clients"] == 1)


def test_robot_time_keeps_pace_with_the_host():
    with virtual_ur() as robot:
        begin = robot.state()
        end = robot.wait_until(lambda s: s["tick"] >= begin["tick"] + 125)
        host_s = (end["steady_ns"] - begin["steady_ns"]) / 1e9
        assert end["time_s"] - begin["time_s"] == pytest.approx(host_s, abs=0.03)


def test_fault_frozen_process_begins_anew_instead_of_catching_up():
    with virtual_ur() as robot:
        begin = robot.state()
        robot.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        robot.process.send_signal(signal.SIGCONT)
        end = robot.state()
        host_s = (end["steady_ns"] - begin["steady_ns"]) / 1e9
        lost_s = host_s - (end["time_s"] - begin["time_s"])
        assert 0.4 < lost_s < 0.6
        assert end["late_ticks"] > begin["late_ticks"]
        assert end["stalls"] > begin["stalls"]
        stalled_s = end["stalled_s"] - begin["stalled_s"]
        assert stalled_s == pytest.approx(
            lost_s, abs=0.1
        )  # 40 ms at each end may be caught up


def test_no_realtime_priority_is_a_note_and_not_an_error():
    with virtual_ur(realtime_priority=10) as robot:
        tick = robot.state()["tick"]
        robot.wait_until(lambda s: s["tick"] > tick + 5)
        has_it = os.sched_getscheduler(robot.process.pid) == os.SCHED_FIFO
        assert has_it != ("no real-time priority" in robot.log())


def test_without_a_side_door_there_is_none():
    address = free_loopback_address()
    words = [*CONTROLLER, "-p", f"address:={address}", "-p", "side_door_port:=0"]
    with running(words) as process:
        assert address in process.stderr.readline()  # printed once the ports are open
        socket.create_connection((address, 30004), 5.0).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 29998), 5.0)
        process.terminate()
        assert process.wait(5.0) == 0


GARBAGE = [
    b"\x00\xff\x00garbage" * 20_000,  # without an end
    b"\x00\xff\x00garbage\n" * 1000,
    b"GET / HTTP/1.1\r\n\r\n",
    b"def half(",
    b"def half():\n  speedj([0,0,0\nend\n",
    b"sec ():\nend\nend\n" + b"-" * 100_000 + b"1\n",
    b"popup\nload\nspeed_slider nan\nstall -1\n\n",
    b"\x00\x05V\x00",  # half a frame
    b"\x00\x40O" + struct.pack(">d", 125.0) + b"timestamp,actu",  # half a recipe
    frame(FrameType.SETUP_OUTPUTS, b"\x00"),
    frame(FrameType.SETUP_OUTPUTS, struct.pack(">d", 125.0) + b"\xff,,\x00,timestamp"),
    frame(FrameType.SETUP_INPUTS, b"speed_slider_mask")  # without its fraction
    + frame(FrameType.DATA_PACKAGE, struct.pack(">BI", 1, 1))
    + frame(FrameType.DATA_PACKAGE, b"\x01"),
]


def answers_to(robot, port, data):
    """Send `data`; return the answers once the other side has read it to its end."""
    with socket.create_connection((robot.address, port), 5.0) as connection:
        answers = b""
        with suppress(ConnectionError):  # dropped, as it may be
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answers += chunk
    return answers


@pytest.mark.parametrize(
    ("port", "sign"),
    [
        (30004, "client dropped: an output recipe begins"),
        (30003, "refused: cannot run the script line"),
        (29999, "could not understand"),
        (29998, "unknown command"),
    ],
)
def test_fault_garbage_on_a_port_harms_nobody(port, sign):
    with virtual_ur() as robot:
        answers = b"".join(answers_to(robot, port, data) for data in GARBAGE)
        assert sign in robot.log() + answers.decode(errors="replace")  # it was read
        tick = robot.state()["tick"]
        state = robot.wait_until(lambda s: s["tick"] > tick + 10)
        assert state["robot_mode"] == "RUNNING"
        assert robot.process.poll() is None


def test_fault_too_many_clients_are_turned_away_and_the_others_stay():
    with virtual_ur() as robot, ExitStack() as stack:
        for _ in range(150):
            where = (robot.address, 29999)
            stack.enter_context(socket.create_connection(where, 5.0))
        last = stack.enter_context(socket.create_connection(where, 5.0))
        assert last.recv(100) == b""  # closed without a greeting
        stack.close()
        assert robot.state()["robot_mode"] == "RUNNING"


def test_asked_to_stop_it_waits_for_who_drives_the_arm():
    with virtual_ur(linger_s=30.0) as robot:
        driver = socket.create_connection((robot.address, 30004))
        robot.wait_until(lambda state: state["rtde_clients"] == 1)
        robot.process.send_signal(signal.SIGINT)
        assert robot.state()["rtde_clients"] == 1  # it still serves
        driver.close()
        assert robot.process.wait(timeout=5.0) == 0


def test_fault_a_client_that_stays_does_not_keep_it_for_ever():
    with (
        virtual_ur(linger_s=0.2) as robot,
        socket.create_connection((robot.address, 30004)),
    ):
        robot.process.send_signal(signal.SIGINT)
        assert robot.process.wait(timeout=5.0) == 0


def test_fault_an_error_of_our_own_is_not_taken_for_a_bad_parameter(monkeypatch):
    def run(*_):
        raise ValueError("a bug")

    words = ["controller", "--ros-args", "-p", f"address:={free_loopback_address()}"]
    monkeypatch.setattr(controller.sys, "argv", words)
    monkeypatch.setattr(controller, "StopFlag", object)
    monkeypatch.setattr(controller.ControllerServer, "run", run)
    with pytest.raises(ValueError, match="a bug"):
        controller.main()
