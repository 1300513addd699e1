"""The monitor as a process beside a fake graph: real topics, real files, real signals."""

import array
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, EpisodeSummary, LearnerStatus
from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import cv2_to_imgmsg
from ur5_rl_ros.process import EXIT_CONFIGURATION, EXIT_CRASHED
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

MODULE = "ur5_rl_bringup.nodes.monitor_node"
START_S = 20.0
STOP_S = 5.0


class FakeGraph:
    """Publishes what the other nodes would, when a test says so."""

    def __init__(self, ros):
        self.node = Node("fake_graph", context=ros.context)
        ros.add_node(self.node)
        create = self.node.create_publisher
        self.summaries = create(EpisodeSummary, "episode_summary", qos.STATUS)
        self.env = create(EnvStatus, "env_status", qos.STATUS)
        self.arm = create(ArmStatus, "arm_status", qos.STATUS)
        self.learner = create(LearnerStatus, "learner_status", qos.STATUS)
        self.images = create(Image, "image_raw", qos.SENSOR)
        self.run_id, self.episode = 11, 0

    def stamp(self):
        return self.node.get_clock().now().to_msg()

    def restart_env(self):
        self.run_id, self.episode = self.run_id + 1, 0

    def publish_status(self, transitions_sent):
        msg = EnvStatus(phase=EnvStatus.RUNNING, transitions_sent=transitions_sent)
        self.env.publish(msg)
        self.arm.publish(ArmStatus(state=ArmStatus.MOVING, joint_states_hz=125.0))

    def publish_learner(self, stored):
        msg = LearnerStatus(transitions_received=stored, updates=2 * stored)
        msg.architecture, msg.updates_owed, msg.buffer_fill = "sequential", 3.5, 0.25
        msg.sampler_wait_ms, msg.update_to_data_ratio = 1.25, 0.75
        msg.batch_reward, msg.actor_loss, msg.critic_loss = 1.5, -2.25, 0.5
        self.learner.publish(msg)

    def publish_image(self, shade=0):
        image = np.full((90, 160, 3), shade, np.uint8)
        cv2.circle(image, (80, 45), 12, (0, 0, 255), -1)
        msg = cv2_to_imgmsg(image, "bgr8")
        msg.header.stamp = self.stamp()
        self.images.publish(msg)

    def publish_episode(self, return_sum=100.0, end="time_limit", steps=100):
        self.episode += 1
        msg = EpisodeSummary(run_id=self.run_id, episode=self.episode, end=end)
        msg.header.stamp = self.stamp()
        msg.return_sum, msg.steps, msg.duration_s = return_sum, steps, 0.8
        floats = array.array("f", [40.0] * steps)
        msg.cycle_ms, msg.observation_to_command_ms = floats, floats
        msg.lateness_ms = array.array("f", [0.25] * steps)
        msg.learner_wait_ms = array.array("f", [0.125] * steps)
        msg.policy_age_s = array.array("f", [0.5] * steps)
        self.summaries.publish(msg)


class MonitorProcess:
    """The node in a process of its own, its lines read as they come."""

    def __init__(self, domain, parameters):
        self.run_dir = Path(parameters["run_dir"])
        words = [f"{name}:={value}" for name, value in parameters.items()]
        command = [
            sys.executable,
            "-m",
            "ur5_rl_bringup.nodes.monitor_node",
            "--ros-args",
        ]
        self.process = subprocess.Popen(
            command + [part for word in words for part in ("-p", word)],
            env=node_environment(domain),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern):
        return any(re.search(pattern, line) for line in self.lines)

    def end(self, number=None):
        """Send a signal, wait for the end; return exit code and seconds it took."""
        started_s = time.monotonic()
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=STOP_S)
        self._reader.join(timeout=STOP_S)
        return code, time.monotonic() - started_s

    def report(self):
        return json.loads((self.run_dir / "report.json").read_text())

    def picture(self):
        return cv2.imread(str(self.run_dir / "picture.png"))


@pytest.fixture
def graph(ros):
    return FakeGraph(ros)


@pytest.fixture
def launch(ros_domain, tmp_path):
    started = []

    def launch(**parameters):
        monitor = MonitorProcess(ros_domain, {"run_dir": tmp_path / "run"} | parameters)
        started.append(monitor)
        return monitor

    yield launch
    for monitor in started:
        monitor.process.kill()
        monitor.process.wait()
        monitor._reader.join(timeout=STOP_S)


@pytest.fixture
def start(launch, graph, spin_until):
    def start(**parameters):
        monitor = launch(**parameters)
        spin_until(lambda: graph.summaries.get_subscription_count() > 0, START_S)
        return monitor

    return start


def is_drawn(image):
    return image is not None and image.shape[1] > 1000 and image.std() > 10


def test_a_training_run_from_the_first_word_to_the_exit_code(
    start, graph, ros, spin_until, tmp_path
):
    copy = tmp_path / "elsewhere" / "report.json"
    monitor = start(max_episodes=4, report=str(copy), seed=3, film_period_s=0.01)
    graph.publish_status(transitions_sent=101)
    spin_until(lambda: monitor.said("learner_node has not been heard yet"), START_S)
    graph.publish_learner(stored=50)
    for _ in range(5):
        graph.publish_image(shade=200)
        ros.spin_once(timeout_sec=0.05)  # in the fake camera's own time
    graph.publish_episode(return_sum=120.0)
    spin_until(lambda: monitor.said(r"E: 1 \|"))
    graph.publish_episode(return_sum=5.0, end="camera silent", steps=7)
    spin_until(lambda: monitor.said(r"E: 2 .* END: camera silent$"))
    graph.restart_env()
    graph.publish_status(transitions_sent=1)
    graph.publish_episode(return_sum=130.0)
    graph.publish_episode(return_sum=140.0)
    spin_until(lambda: monitor.said(r"E: 4 \| S: 307 \|"))
    graph.publish_learner(stored=307)
    code, _ = monitor.end()

    assert code == 0
    assert monitor.said(
        r"^\| train \| E: 1 \| S: 100 \| D: 0\.8 s \| R: 120\.0000 \| BR: 1\.5000 "
        r"\| ALOSS: -2\.2500 \| CLOSS: 0\.5000 \| NUM: 100$"
    )
    assert monitor.said(r"mean 130\.0 \+- 5\.8 \(standard error\), minimum 120\.0")
    report = monitor.report()
    assert report == json.loads(copy.read_text())
    assert report["seed"] == 3
    assert report["ended_by"] == "4 episodes"
    assert report["env_steps"] == 307
    assert report["updates"] == 614
    assert report["env_starts"] == 2
    assert report["transitions"] == {
        "sent": 307,
        "stored": 307,
        "lost": 0,
        "time_steps_sent": 102,
    }
    assert report["mean_return"] == 130.0
    assert report["standard_error"] == pytest.approx(5.7735, abs=1e-3)
    assert report["minimum"] == 120.0
    assert report["mean_return_last_20"] == 130.0
    assert report["joint_states_hz"] == 125.0
    assert report["cycle_ms"]["p99"] == 40.0
    assert report["lateness_ms"]["max"] == 0.25
    assert report["learner"]["critic_loss"] == 0.5
    assert report["learner"]["architecture"] == "sequential"
    assert report["learner_wait_ms"]["mean"] == 0.125
    assert report["episodes"][1] == {
        "return": 5.0,
        "steps": 7,
        "policy_version": 0,
        "end": "camera silent",
        "duration_s": 0.8,
        "env_steps": 107,
    }
    assert is_drawn(monitor.picture())
    check_events(monitor.run_dir / "events")


def check_events(folder: Path):
    events = EventAccumulator(str(folder)).Reload()
    returns = [(point.step, point.value) for point in events.Scalars("episode/return")]
    assert returns == [(100, 120.0), (207, 130.0), (307, 140.0)]
    first = {name: events.Scalars(name)[0].value for name in events.Tags()["scalars"]}
    assert first == first | EXPECTED_SCALARS
    assert first.keys() >= {f"learner/{name}" for name in LEARNING_CURVES}


EXPECTED_SCALARS = {
    "timing/cycle_p99_ms": 40.0,
    "timing/lateness_p50_ms": 0.25,
    "timing/lateness_p99_ms": 0.25,
    "timing/learner_wait_p99_ms": 0.125,
    "timing/observation_to_command_p99_ms": 40.0,
    "timing/policy_age_p50_s": 0.5,
    "timing/policy_age_p99_s": 0.5,
    "rates/joint_states_hz": 125.0,
    "learner/critic_loss": 0.5,
    "learner/updates_owed": 3.5,
    "learner/buffer_fill": 0.25,
    "learner/sampler_wait_ms": 1.25,
    "learner/update_to_data_ratio": 0.75,
}
LEARNING_CURVES = (
    "actor_loss", "temperature_loss", "q_mean", "entropy", "temperature",
    "critic_gradient_norm", "actor_gradient_norm", "updates_per_s", "update_ms",
)  # fmt: skip


def test_the_picture_is_saved_on_request(start, graph, spin_until, ros):
    monitor = start(policy="servo")
    path = monitor.run_dir / "picture.png"
    graph.publish_episode()
    spin_until(lambda: monitor.said(r"E: 1 \|"), START_S)
    monitor.process.send_signal(signal.SIGUSR1)
    spin_until(path.exists)
    path.unlink()
    client = graph.node.create_client(Trigger, "save_picture")
    spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    spin_until(future.done)
    assert future.result().success
    assert future.result().message == str(path)
    assert is_drawn(monitor.picture())
    graph.publish_episode()
    spin_until(lambda: monitor.said(r"E: 2 \|"))


def test_an_evaluation_ends_with_mean_error_and_minimum(start, graph, spin_until):
    monitor = start(mode="eval", policy="checkpoint", max_episodes=3)
    for value in (243.0, 290.0, 280.0):
        graph.publish_episode(return_sum=value)
    spin_until(lambda: monitor.said("^picture: "), START_S)
    assert monitor.end()[0] == 0
    line = "mean 271.0 +- 14.3 (standard error), minimum 243.0, 3 episodes"
    assert line in monitor.lines
    assert monitor.report()["mode"] == "eval"
    assert monitor.report()["learner"] is None
    assert monitor.report()["transitions"]["stored"] == 0


def test_fault_a_picture_that_cannot_be_saved_is_answered_at_once(
    start, graph, spin_until
):
    monitor = start(policy="servo")
    path = monitor.run_dir / "picture.png"
    graph.publish_episode()
    spin_until(lambda: monitor.said(r"E: 1 \|"), START_S)
    monitor.process.send_signal(signal.SIGUSR1)
    spin_until(path.exists, START_S)  # what drawing needs is loaded now
    path.unlink()
    path.mkdir()
    client = graph.node.create_client(Trigger, "save_picture")
    spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    spin_until(future.done, 3.0)
    assert not future.result().success
    assert future.result().message.startswith(f"{path}: ")
    assert "Is a directory" in future.result().message
    assert monitor.end(signal.SIGINT)[0] == EXIT_CRASHED
    assert monitor.report()["num_episodes"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fault_a_signal_in_an_episode_leaves_everything(start, graph, spin_until, number):
    monitor = start()
    graph.publish_episode()
    spin_until(lambda: monitor.said(r"E: 1 \|"), START_S)
    graph.publish_episode()  # may still be on its way when the signal comes
    code, took_s = monitor.end(number)
    assert code == 0
    assert took_s < 3.0
    report = monitor.report()
    assert report["ended_by"] == "asked to stop"
    assert report["num_episodes"] == len(report["episodes"]) >= 1
    assert is_drawn(monitor.picture())
    assert monitor.said("^mean 100.0|^return 100.0, one episode")


def test_fault_a_signal_before_the_first_message_leaves_a_report(start):
    monitor = start()
    monitor.process.send_signal(signal.SIGINT)  # and again, as a terminal and a parent do
    code, _ = monitor.end(signal.SIGINT)
    assert code == 0
    assert monitor.report()["num_episodes"] == 0
    assert monitor.report()["mean_return"] is None


def test_fault_a_return_that_is_no_number_is_refused(start, graph, spin_until):
    monitor = start(policy="zero", max_episodes=1)
    graph.publish_episode(return_sum=float("nan"))
    graph.publish_episode(return_sum=1.0)
    spin_until(lambda: monitor.said("^picture: "), START_S)
    assert monitor.report()["mean_return"] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "test"),
        ("max_epsodes", 3),
        ("run_dir", "/dev/null/x"),
        ("report", "/dev/null/report.json"),
    ],
)
def test_fault_a_bad_parameter_ends_the_process_with_one_line(
    launch, tmp_path, name, value
):
    process = launch(**{"run_dir": tmp_path, name: value}).process
    assert process.wait(timeout=START_S) == EXIT_CONFIGURATION
    errors = process.stderr.read()
    assert errors.startswith("error: ")
    assert (value if name in ("run_dir", "report") else name) in errors
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == []


def test_fault_a_report_that_cannot_be_written_at_the_end_costs_nothing_else(
    start, graph, spin_until, tmp_path
):
    folder = tmp_path / "unplugged"
    monitor = start(report=str(folder / "report.json"))
    graph.publish_episode()
    spin_until(lambda: monitor.said(r"E: 1 \|"), START_S)
    folder.rmdir()
    folder.touch()
    assert monitor.end(signal.SIGINT)[0] == EXIT_CRASHED
    error = monitor.process.stderr.read()
    assert error.startswith(f"error: report not written to {folder / 'report.json'}: ")
    assert error.count("\n") == 1
    assert monitor.said("^return 100.0, one episode")
    assert monitor.report()["num_episodes"] == 1
    assert is_drawn(monitor.picture())


def test_fault_a_full_disk_holds_up_neither_the_run_nor_its_end(start, graph, spin_until):
    monitor = start(mode="eval", policy="servo", max_episodes=3)
    fill_disk_of(monitor.process)
    for number in (1, 2, 3):
        for _ in range(20):  # more points than a buffer and a queue would take
            graph.publish_learner(stored=0)
        graph.publish_episode()
        spin_until(partial(monitor.said, rf"E: {number} \|"), START_S)
    code, _ = monitor.end()
    assert code == EXIT_CRASHED
    assert monitor.said(r"^\| wait \| curves not written: .*File too large")
    assert monitor.said(r"^mean 100\.0 \+- 0\.0 \(standard error\)")
    errors = monitor.process.stderr.read()
    assert re.search("^error: report not written to .*; picture not written to", errors)
    assert "Traceback" not in errors


def fill_disk_of(process):
    """Let no file of a process grow any more."""
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most))
