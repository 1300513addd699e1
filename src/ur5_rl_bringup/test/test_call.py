"""`./ur5rl call`, as a process, against a node that answers."""

import subprocess
import sys
from pathlib import Path

import pytest
from rclpy.node import Node
from std_srvs.srv import Trigger

from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).parents[3]


def call(domain, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), "call", *words],
        env=node_environment(domain),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("success", "code"), [(True, 0), (False, 1)])
def test_a_person_calls_and_reads_the_answer(ros, ros_domain, spin_until, success, code):
    def answer(request, response):
        response.success, response.message = success, "arm brakes"
        return response

    node = Node("arm_node", context=ros.context)
    node.create_service(Trigger, "stop_arm", answer)
    ros.add_node(node)
    caller = call(ros_domain, "stop_arm")
    spin_until(lambda: caller.poll() is not None, 20.0)
    assert (caller.returncode, caller.stdout.read()) == (code, "stop_arm: arm brakes\n")


def test_fault_where_no_run_is_on_that_is_said(ros_domain):
    caller = call(ros_domain, "recover_arm")
    output, complaint = caller.communicate(timeout=20.0)
    assert (caller.returncode, output) == (2, "")
    assert complaint == (
        f"ur5rl: error: nobody offers recover_arm in ROS domain {ros_domain}: "
        "is a run on?\n"
    )


def test_fault_an_unknown_service_is_named(ros_domain):
    caller = call(ros_domain, "dance")
    _, output = caller.communicate(timeout=20.0)
    assert caller.returncode == 2
    assert "dance" in output and "stop_arm" in output
