"""The whole graph on the virtual robot, with hands on everything that can break."""

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from ur5_rl_bringup.core.lives import MAX_RESTARTS, RESTART_WINDOW_S
from ur5_rl_bringup.graph import environment
from ur5_rl_experiments.bench.graph_run import GraphRun, graph_run, learner_run
from ur5_rl_experiments.core.motion_record import MotionRecord
from ur5_rl_experiments.faults.ear import Ear, listening
from ur5_rl_experiments.faults.link_emulator import (
    FAR,
    NEAR,
    Link,
    emulated_link,
    inside,
)
from ur5_rl_experiments.faults.pose_recorder import PoseRecorder
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, LearnerStatus
from ur5_sim.core.config import ControllerConfig

SIDE_DOOR_PORT = ControllerConfig().side_door_port
START_S = 90.0
EPISODE_S = 60.0  # to wait for an episode at most
POLL_S = 0.004
WATCH_S = 3.0  # a motion that has not ended by then does not end


class FaultError(RuntimeError):
    """What the harness waited for did not come."""


@dataclass(frozen=True)
class GraphSpec:
    """How to start a graph; cases with equal ones share it.

    Attributes:
        words: Options of `ur5rl sim`, and of `ur5rl learner` where there is one.
        parameters: By node, stronger than the files.
        variables: Of the environment of each process.
        is_on_two_machines: Whether the learner is beyond an emulated link.
    """

    words: tuple[str, ...] = ("--policy", "servo")
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    is_on_two_machines: bool = False


class GraphUnderTest:
    """A running graph, what it says (`ear`) and what its arm does (`poses`).

    Attributes:
        link: To its learner, where that is on another machine.
        calm_cycles_ms: Action cycles seen while nothing was wrong.
    """

    def __init__(
        self,
        root: Path,
        run: GraphRun,
        ear: Ear,
        poses: PoseRecorder,
        link: Link | None = None,
    ) -> None:
        self.root, self.run, self.ear, self.poses = root, run, ear, poses
        self.link = link
        self.calm_cycles_ms: list[float] = []
        self._restarts_s: dict[str, list[float]] = {}

    # Processes.

    def process(self, node: str) -> psutil.Process:
        """Return the process of a node.

        Raises:
            FaultError: there is none.
        """
        for child in psutil.Process(self.run.child.pid).children():
            with suppress(psutil.NoSuchProcess):
                if any(word.endswith(f".{node}") for word in child.cmdline()):
                    return child
        raise FaultError(f"no process runs {node}")

    def await_restarts_left(self, node: str) -> None:
        """Wait until one more restart of a node is below the supervisor's limit.

        Comes before the wait for the instant at which to inject what ends the node.
        """
        restarts_s = self._restarts_s.get(node, [])
        if len(restarts_s) >= MAX_RESTARTS - 1:
            free_s = restarts_s[-MAX_RESTARTS + 1] + RESTART_WINDOW_S
            time.sleep(max(0.0, free_s - time.monotonic()))

    def note_restart(self, node: str) -> None:
        """Count a restart of a node that begins about now."""
        self._restarts_s.setdefault(node, []).append(time.monotonic())

    def kill(self, node: str) -> int:
        """Kill a node with -9, now; return when [ns]."""
        process = self.process(node)
        self.note_restart(node)
        now_ns = time.monotonic_ns()
        process.kill()
        return now_ns

    @contextmanager
    def paused(self, node: str) -> Iterator[int]:
        """Hold a process with SIGSTOP for the block; yields when it began [ns]."""
        process = self.process(node)
        now_ns = time.monotonic_ns()
        process.suspend()
        try:
            yield now_ns
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def main_and_callback_threads(self, node: str) -> list[int]:
        """Return the threads of a process that can run Python callbacks.

        Its main thread and the ones that Python has named; DDS names its own "dds.*".
        """
        pid = self.process(node).pid
        threads = []
        for path in Path(f"/proc/{pid}/task").iterdir():
            name = (path / "comm").read_text().strip()
            if not name.startswith("dds"):
                threads.append(int(path.name))
        return threads

    # The robot.

    def robot(self, line: str) -> dict[str, Any]:
        """Send a line to the side door of the virtual robot; return its state."""
        with socket.create_connection((self.run.address, SIDE_DOOR_PORT), 5.0) as door:
            door.sendall(f"{line}\n".encode())
            with door.makefile() as file:
                answer: dict[str, Any] = json.loads(file.readline())
        if "error" in answer:
            raise FaultError(f"side door: {answer['error']}")
        return answer

    def motion_since(self, start_ns: int) -> MotionRecord:
        """Return the arm's true motion from `start_ns` on."""
        return self.poses.since(start_ns)

    # Waiting.

    def wait(self, what: str, condition: Callable[[], Any], timeout_s: float) -> Any:
        """Return the first true value of `condition`.

        Raises:
            FaultError: there was none in time.
            RunFailedError: the graph ended.
        """
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            self.run.check()
            if time.monotonic() > deadline:
                raise FaultError(
                    f"waited {timeout_s:g} s in vain for {what}; {self._situation()}"
                )
            time.sleep(POLL_S)
        return value

    def _situation(self) -> str:
        """Return what env_node and arm_node said last, for people."""
        env, arm = self.ear.newest(EnvStatus), self.ear.newest(ArmStatus)
        told = []
        if env is not None:
            told.append(f"env_node: phase {env.phase}, '{env.waiting_for}'")
        if arm is not None:
            told.append(f"arm_node: state {arm.state}, '{arm.cause}'")
        return ", ".join(told) or "nothing was heard"

    def is_running(self, min_step: int = 0) -> bool:
        """Whether an episode runs that is at least `min_step` steps old."""
        status = self.ear.newest(EnvStatus)
        is_on = status is not None and status.phase == EnvStatus.RUNNING
        return bool(is_on and status.step >= min_step)

    def updates(self) -> int:
        """Return how many updates the learner has made, as it says."""
        status = self.ear.newest(LearnerStatus)
        return int(status.updates) if status is not None else 0

    def await_motion(self, speed_rad_s: float = 0.4) -> None:
        """Wait until an episode runs and its arm moves fast."""
        self.wait("an episode", self.is_running, EPISODE_S)
        self.wait(
            f"an episode's arm at {speed_rad_s} rad/s",
            lambda: self.is_running() and self.poses.speed >= speed_rad_s,
            EPISODE_S,
        )

    def await_way_home(self, speed_rad_s: float) -> None:
        """Wait until the arm is that fast on its way to the start pose."""

        def is_on_its_way() -> bool:
            status = self.ear.newest(ArmStatus)
            return (
                status.state == ArmStatus.MOVING_TO_START
                and self.poses.speed >= speed_rad_s
            )

        self.wait("the arm on its way home", is_on_its_way, EPISODE_S)

    def await_rest(self, fault_ns: int, timeout_s: float = WATCH_S) -> MotionRecord:
        """Return the motion from the fault to beyond the rest, or the end of the wait."""
        deadline = time.monotonic() + timeout_s
        while True:
            motion = self.motion_since(fault_ns)
            if motion.rest_ns() is not None or time.monotonic() > deadline:
                return motion
            time.sleep(0.02)

    def await_episode(self, since_ns: int, timeout_s: float = EPISODE_S) -> float:
        """Wait for an episode that begins after `since_ns`; return how long after [s].

        One that still runs then has to end first.
        """
        ended_ns = since_ns
        if self.ear.phase_at(since_ns) == EnvStatus.RUNNING:
            ended = self.wait(
                "the end of the episode",
                lambda: self.ear.first_since(
                    EnvStatus, since_ns, lambda msg: msg.phase != EnvStatus.RUNNING
                ),
                timeout_s,
            )
            ended_ns = ended.steady_ns
        heard = self.wait(
            "the next episode",
            lambda: self.ear.first_since(
                EnvStatus, ended_ns, lambda msg: msg.phase == EnvStatus.RUNNING
            ),
            timeout_s,
        )
        return float(heard.steady_ns - since_ns) / 1e9

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Ask the whole graph to stop; return how long that took [s]."""
        started = time.monotonic()
        self.run.child.send_signal(number)
        self.run.child.wait(timeout=30.0)
        return time.monotonic() - started


@contextmanager
def graph_under_test(
    root: Path, spec: GraphSpec, run_dir: Path | None = None
) -> Iterator[GraphUnderTest]:
    """Run a graph, wait until its first episode, and clean up after the block.

    `run_dir` is where it leaves what it leaves; by default a folder that is removed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ur5rl-faults-") as folder,
        ExitStack() as stack,
    ):
        params = Path(folder) / "faults.yaml"
        params.write_text(yaml.safe_dump(_parameter_file(spec.parameters)))
        words = [*spec.words, "--params", str(params)]
        far, link = Path(folder) / "far", None
        if spec.is_on_two_machines:
            link = stack.enter_context(_robots_machine(root))
        run = stack.enter_context(
            graph_run(
                root,
                words if link is None else [*words, "--learner", FAR],
                run_dir or Path(folder) / "run",
                variables=spec.variables,
                log_path=Path(folder) / "printed.log",
            )
        )
        if link is not None:
            words += ["--robot", NEAR]
            with inside(link.far):
                stack.enter_context(learner_run(root, words, far, run.domain))
        ear = stack.enter_context(listening(root, run.domain))
        poses = stack.enter_context(PoseRecorder(_pose_file(run)))
        graph = GraphUnderTest(root, run, ear, poses, link)
        graph.wait("the first episode", graph.is_running, START_S)
        yield graph


@contextmanager
def _robots_machine(root: Path) -> Iterator[Link]:
    """Be on the robot's machine, of two, for as long as the block lasts."""
    before = dict(os.environ)
    with emulated_link() as link, inside(link.near):
        os.environ.update(environment(root, FAR))
        try:
            yield link
        finally:
            os.environ.clear()
            os.environ.update(before)


def _parameter_file(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"/**/{node}": {"ros__parameters": dict(values)}
        for node, values in parameters.items()
    }


def _pose_file(run: GraphRun) -> Path:
    """Return where the virtual robot shows its true pose, once it does."""
    deadline = time.monotonic() + START_S
    description = run.run_dir / "parameters" / "controller.yaml"
    while time.monotonic() < deadline:
        run.check()
        with suppress(OSError, KeyError, TypeError):
            values = yaml.safe_load(description.read_text())
            path = Path(values["/**/controller"]["ros__parameters"]["pose_file"])
            if path.is_file():
                return path
        time.sleep(0.05)
    raise FaultError("the virtual robot never showed its pose")


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep `count` processes computing for as long as the block lasts."""
    code = "while True: pass"
    hogs = [psutil.Popen(["python3", "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
