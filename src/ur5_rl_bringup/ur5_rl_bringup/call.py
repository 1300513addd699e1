"""`./ur5rl call SERVICE`: ask something of a run, with or without a `ros2` command."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger

from ur5_rl_bringup.graph import environment

SERVICES = {
    "stop_arm": "brake; the arm stays stopped until recover_arm",
    "recover_arm": "end a stop; clear the cell first: the next reset moves the arm",
    "save_picture": "draw the run's picture now",
}
FIND_S = 5.0
ANSWER_S = 60.0  # a robot that was switched off comes up within
EXIT_OK, EXIT_REFUSED, EXIT_NOBODY = 0, 1, 2


def main(root: Path, words: Sequence[str]) -> int:
    """Call one service of the run in this ROS domain; say what it answers."""
    name = _parser().parse_args(words).service
    os.environ.update(environment(root) | os.environ)
    rclpy.init()
    try:
        return _call(rclpy.create_node("ur5rl_call"), name)
    finally:
        rclpy.try_shutdown()


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:13} {what}" for name, what in SERVICES.items())
    parser = argparse.ArgumentParser(
        "ur5rl call",
        description=f"{__doc__}\n\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("service", choices=SERVICES)
    return parser


def _call(node: Node, name: str) -> int:
    client = node.create_client(Trigger, name)
    if not client.wait_for_service(FIND_S):
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        _complain(f"nobody offers {name} in ROS domain {domain}: is a run on?")
        return EXIT_NOBODY
    future = client.call_async(Trigger.Request())
    rclpy.spin_until_future_complete(node, future, timeout_sec=ANSWER_S)
    answer = future.result()
    if answer is None:
        _complain(f"{name} has not answered for {ANSWER_S:g} s")
        return EXIT_REFUSED
    print(f"{name}: {answer.message}")
    return EXIT_OK if answer.success else EXIT_REFUSED


def _complain(text: str) -> None:
    print(f"ur5rl: error: {text}", file=sys.stderr)
