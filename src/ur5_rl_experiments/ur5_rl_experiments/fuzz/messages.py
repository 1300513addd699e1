"""`./ur5rl fuzz messages`: mutated messages to every topic of every node.

Each node is a real process. Beside it stand the real arm_node and a virtual robot, ready
to follow: all that is valid asks for rest, so a robot that moves was reached by a message
that was changed. A node must outlive what it is sent, count what is no message, and work
by valid messages afterwards.
"""

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import rclpy

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.fuzz.mutation import Mutator
from ur5_rl_experiments.fuzz.neighbours import Neighbours
from ur5_rl_experiments.fuzz.node_process import NodeProcess, node_process
from ur5_rl_experiments.fuzz.storm import Account, Storm
from ur5_rl_experiments.fuzz.targets import ARM, NODES, NodeUnderTest, Target
from ur5_rl_ros.domain import claimed_domain
from ur5_rl_ros.process import spinning_in_background
from ur5_rl_ros.testing import ros_variables
from ur5_sim.testing import VirtualUr, virtual_ur

START_S = 60.0
POSE_PERIOD_S = 0.004
COLUMNS = (
    "published", "valid", "delivered", "dropped", "undecodable", "refused", "accepted",
)  # fmt: skip
# Of the arm that only stands beside a node.
ASIDE = ("joint_states", "arm_status", "heartbeat", "stop_request")


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Fuzz the topics that are asked for; return 1 if a bar is missed."""
    options = _parser().parse_args(words)
    if options.number < 1:
        raise ValueError(f"--number must be at least 1, got {options.number}")
    known = {target.topic for node in NODES for target in node.targets}
    if unknown := sorted(set(options.topics) - known):
        raise ValueError(f"--topics: unknown {unknown}; known are {sorted(known)}")
    accounts: list[Account] = []
    print(_head(), flush=True)
    for node in NODES:
        targets = [t for t in node.targets if t.topic in (options.topics or known)]
        if targets and node.name in (options.nodes or node.name):
            accounts += storms(node, targets, options.number, options.seed, _show)
    is_good = not any(account.failures for account in accounts)
    if options.report:
        head = {"seed": options.seed, "number": options.number, "is_good": is_good}
        rows = [account.as_dict() for account in accounts]
        write_json(options.report, head | {"topics": rows})
    print("fuzz messages:", "no failure" if is_good else "FAILED")
    return 0 if is_good else 1


def storms(
    node: NodeUnderTest,
    targets: Sequence[Target],
    number: int,
    seed: int,
    show: Callable[[Account], None] = lambda account: None,
) -> list[Account]:
    """Send mutated messages to topics of one node, one after the other."""
    accounts = []
    with (
        tempfile.TemporaryDirectory(prefix="ur5rl-fuzz-") as folder,
        virtual_ur() as robot,
        _speed_of(robot) as speed,
        claimed_domain() as domain,
        _running(node, targets, robot, domain, Path(folder)) as process,
        _neighbours(node, domain) as neighbours,
        _quiet_stderr(Path(folder) / "middleware.log"),
    ):
        neighbours.wait_until(
            lambda: neighbours.diagnostics[0] or not process.is_alive, timeout_s=START_S
        )
        for target in targets:
            mutator = Mutator(seed)
            storm = Storm(target, process, neighbours, mutator, speed)
            accounts.append(storm.run(number))
            show(accounts[-1])
            if not process.is_alive:
                break
    return accounts


@contextmanager
def _running(
    node: NodeUnderTest,
    targets: Sequence[Target],
    robot: VirtualUr,
    domain: int,
    folder: Path,
) -> Iterator[NodeProcess]:
    """Run the node under test, and the arm's node beside it unless it is that."""
    topics = [target.topic for target in targets]
    parameters, where = node.filled(folder), {"robot_ip": robot.address}
    beside = nullcontext()
    if node is ARM:
        parameters |= where
    else:
        own = folder / "beside"
        own.mkdir()
        beside = node_process(
            ARM.module, {**ARM.parameters, **where}, domain=domain, folder=own,
            remapped=ASIDE,
        )  # fmt: skip
    with (
        beside,
        node_process(
            node.module, parameters, domain=domain, folder=folder, topics=topics
        ) as process,
    ):
        yield process


@contextmanager
def _speed_of(robot: VirtualUr) -> Iterator[Callable[[], float]]:
    """Watch the robot; yields what returns its largest joint speed since the last call.

    The speed is the true one, from the virtual controller itself [rad/s].
    """
    speeds: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POSE_PERIOD_S):
            with suppress(TimeoutError):  # the controller was held up while it wrote
                speeds.append(float(np.abs(robot.pose()[1]).max()))

    def largest() -> float:
        seen = speeds.copy()
        del speeds[: len(seen)]
        return max(seen, default=float("nan"))

    thread = threading.Thread(target=watch, name="pose watcher")
    thread.start()
    try:
        yield largest
    finally:
        over.set()
        thread.join(5.0)


@contextmanager
def _neighbours(node: NodeUnderTest, domain: int) -> Iterator[Neighbours]:
    os.environ.update(ros_variables(domain))  # before DDS reads them
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    neighbours = Neighbours(context, node)
    try:
        with spinning_in_background(neighbours):
            yield neighbours
    finally:
        neighbours.destroy_node()
        rclpy.try_shutdown(context=context)


@contextmanager
def _quiet_stderr(path: Path) -> Iterator[None]:
    """Send what the middleware prints of messages that this process judges to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _head() -> str:
    return (
        f"{'node':13}{'topic':18}"
        + "".join(f"{c:>12}" for c in COLUMNS)
        + (f"{'alive':>7}{'armed':>7}{'moved rad/s':>12}{'s':>7}")
    )


def _show(account: Account) -> None:
    row = account.as_dict()
    figures = "".join(f"{row[column]:12}" for column in COLUMNS)
    alive = "yes" if account.is_alive else "NO"
    print(
        f"{account.node:13}{account.topic:18}{figures}{alive:>7}{account.armed:7.2f}"
        f"{account.max_speed_rad_s:12.4f}{account.took_s:7.1f}"
    )
    for failure in account.failures:
        print(f"  FAILED: {failure}")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ur5rl fuzz messages", description=__doc__)
    add = parser.add_argument
    add("--number", type=int, default=10_000, help="mutated messages per topic")
    add("--topics", nargs="+", default=[], help="default: all")
    add("--nodes", nargs="+", default=[], help="default: all")
    add("--seed", type=int, default=0)
    add("--report", type=Path, metavar="FILE.json")
    return parser
