"""`ros2 launch` with small Python programs in the place of nodes; needs a full ROS 2."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="the PyPI wheels of ROS 2 hold no launch")

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).parents[3]
# As `ros2 launch` does it, without ros2cli.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import SetLaunchConfiguration
{body}
service = LaunchService(argv=sys.argv[1:], noninteractive=True)
given = [SetLaunchConfiguration(*word.split(":=", 1)) for word in sys.argv[1:]]
service.include_launch_description(LaunchDescription([*given, *description]))
sys.exit(service.run())
"""
GRAPH = """
from pathlib import Path
from ur5_rl_bringup.launch_actions import _started
from ur5_rl_bringup import launch_actions
from ur5_rl_bringup.graph import OnExit, Process
face = Process(name="face", package="stand_ins", executable="face", is_node=False,
               parameters={"list": [1.5, 2.5], "text": "true"}, on_exit=OnExit.SHUTDOWN)
arm = Process(name="arm", package="stand_ins", executable="arm", is_node=False)
launch_actions.graph = lambda options, folder: (face, arm)
launch_actions.check_parameters = lambda options, files: None
given = {name: default for name, (default, _) in launch_actions.ARGUMENTS.items()}
given["run_dir"] = RUN_DIR
description = _started(given, Path(ROOT), "sim", "")
"""
# Says its pid, then sleeps until it is asked to stop and leaves with 0.
GOOD = """
import os, signal, sys, time
from ur5_rl_ros.signals import end_with_parent
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: sys.exit(CODE))
end_with_parent()
print("pid", os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(ros_domain, tmp_path):
    """Start a launch; end it at the end."""
    started = []

    def start(body, *words):
        variables = {
            "AMENT_PREFIX_PATH": f"{tmp_path}:{os.environ.get('AMENT_PREFIX_PATH', '')}",
            "ROS_DOMAIN_ID": str(ros_domain),
            "ROS_LOG_DIR": str(tmp_path / "ros"),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH.replace("{body}", body), *words],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start_graph(start, tmp_path):
    """Start a launch of two programs, "face" and "arm", as the graph does."""

    def start_graph(**programs):
        index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True)
        (index / "stand_ins").touch()
        for name, program in programs.items():
            path = tmp_path / "lib" / "stand_ins" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!{sys.executable}\n{program}")
            path.chmod(0o755)
        body = GRAPH.replace("RUN_DIR", repr(str(tmp_path))).replace(
            "ROOT", repr(str(ROOT))
        )
        return start(body)

    return start_graph


def good(code=0):
    return GOOD.replace("CODE", str(code))


def pid_of(log, timeout_s=30.0):
    """Wait until a program has said its pid."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        said = log.read_text() if log.exists() else ""
        if said.startswith("pid") and said.endswith("\n"):
            return int(said.split()[1])
        time.sleep(0.01)
    raise AssertionError(f"{log} never held a pid")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def finish(process):
    output, _ = process.communicate(timeout=30.0)
    return process.returncode, output


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (3, 1)])
def test_the_run_ends_with_its_face_and_fails_with_it(
    start_graph, tmp_path, code, expected
):
    ends = f"import os, sys\nwhile not os.path.exists('{tmp_path}/go'): pass\n"
    process = start_graph(face=f"{ends}sys.exit({code})", arm=good())
    arm = pid_of(tmp_path / "log" / "arm.log")
    (tmp_path / "go").touch()
    assert finish(process)[0] == expected
    assert not is_alive(arm)


@pytest.mark.parametrize(("face", "arm", "expected"), [(0, 0, 0), (1, 0, 1), (0, 1, 0)])
def test_ctrl_c_ends_all_and_only_a_bad_last_word_of_the_face_fails_the_run(
    start_graph, tmp_path, face, arm, expected
):
    process = start_graph(face=good(face), arm=good(arm))
    pids = [pid_of(tmp_path / "log" / f"{name}.log") for name in ("face", "arm")]
    process.send_signal(signal.SIGINT)
    code, output = finish(process)
    assert code == expected, output
    assert not any(map(is_alive, pids))


def test_fault_a_configuration_error_fails_the_run_at_once(start_graph, tmp_path):
    complains = "import sys; print('error: no such robot', file=sys.stderr); sys.exit(2)"
    code, output = finish(start_graph(face=good(), arm=complains))
    assert code == 1
    assert "arm: configuration error" in output
    assert (tmp_path / "log" / "arm.log").read_text() == "error: no such robot\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_fault_nothing_outlives_a_launch_that_is_killed(start_graph, tmp_path, number):
    process = start_graph(face=good(), arm=good())
    pids = [pid_of(tmp_path / "log" / f"{name}.log") for name in ("face", "arm")]
    process.send_signal(number)
    deadline_s = time.monotonic() + 10.0
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline_s, "an orphan is left"
        time.sleep(0.01)


def test_a_node_gets_its_parameters_as_ur5rl_gives_them(start_graph, tmp_path):
    shows = (
        "import sys\nfrom ur5_rl_ros.param_files import values_for_node\n"
        "path = sys.argv[sys.argv.index('--params-file') + 1]\n"
        "print(path, values_for_node(path, 'face'), flush=True)"
    )
    assert finish(start_graph(face=shows, arm=good()))[0] == 0
    path = tmp_path / "parameters" / "face.yaml"
    said = (tmp_path / "log" / "face.log").read_text()
    assert said == f"{path} {{'list': [1.5, 2.5], 'text': 'true'}}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["dryrun:=true"], "unknown launch argument dryrun"),
        (["dry_run:=ture"], "dry_run must be true or false, got 'ture'"),
        (["robot_host:=10.0.0.2"], "unknown launch argument robot_host"),
    ],
)
def test_fault_an_argument_that_is_wrong_starts_nothing(start, words, complaint):
    body = (
        "from pathlib import Path\n"
        "from ur5_rl_bringup.launch_actions import description as of\n"
        f"description = of(Path({str(ROOT)!r}), 'robot').entities"
    )
    code, output = finish(start(body, *words))
    assert code == 1
    assert complaint in output
    assert "process started" not in output
