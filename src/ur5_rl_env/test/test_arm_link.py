"""What answers where a robot should, before ur_rtde is let near it."""

import socket
import threading

import pytest

from ur5_rl_env.nodes import arm_link


@pytest.fixture
def listener(monkeypatch):
    """A socket that takes connections in the robot's place."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(arm_link, "RTDE_PORT", server.getsockname()[1])
        monkeypatch.setattr(arm_link, "PROBE_TIMEOUT_S", 0.2)
        yield server


def answering(server, answer):
    """Answer one client in a thread of its own; return what it asked."""
    asked = []

    def serve():
        client, _ = server.accept()
        with client:
            asked.append(client.recv(100))
            client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return asked


def test_a_robot_that_answers_is_there(listener):
    asked = answering(listener, bytes((0, 4, 86, 1)))
    arm_link.probe("127.0.0.1")
    assert asked == [bytes((0, 5, 86, 0, 2))]


def test_fault_a_robot_that_hangs_is_not_there_though_its_kernel_is(listener):
    with pytest.raises(ConnectionError, match=r"does not answer \(timed out\)"):
        arm_link.probe("127.0.0.1")


@pytest.mark.parametrize("answer", [b"", bytes((0, 4, 86, 0)), b"HTTP/1.1 400"])
def test_fault_what_speaks_another_protocol_is_no_robot(listener, answer):
    answering(listener, answer)
    with pytest.raises(ConnectionError, match="does not speak RTDE version 2"):
        arm_link.probe("127.0.0.1")


def test_fault_where_nothing_listens_the_address_is_named(listener):
    listener.close()
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:\d+ does not answer"):
        arm_link.probe("127.0.0.1")
