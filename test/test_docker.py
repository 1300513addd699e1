"""The container files, as far as they can be checked without an engine."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ur5_rl_bringup.launch_arguments import ARGUMENTS

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
GPU = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def instructions():
    """Return (name, arguments) of each instruction, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def default(text):
    """Return what compose makes of ${NAME:-value} when nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def test_each_profile_starts_one_graph():
    assert [s["profiles"] for s in SERVICES.values()] == [["sim"], ["robot"]]
    assert set(GPU["services"]) == set(SERVICES)


@each_service
def test_no_container_has_more_rights_than_it_needs(service):
    assert "privileged" not in service
    assert service["cap_drop"] == ["ALL"]
    assert service["cap_add"] == ["SYS_NICE"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert default(service["user"]).split(":")[0] not in ("", "0", "root")


def test_only_the_robot_has_devices():
    assert "devices" not in SERVICES["sim"]
    assert SERVICES["robot"]["group_add"] == ["video"]
    assert len(SERVICES["robot"]["devices"]) == 1
    mapped = default(SERVICES["robot"]["devices"][0]).split(":")[1]
    node = yaml.safe_load((DOCKER / "robot.yaml").read_text())["/**/camera_node"]
    assert node["ros__parameters"]["device"] == mapped


@each_service
def test_it_talks_and_stops_as_the_graph_needs(service):
    assert service["network_mode"] == "host"
    assert service["ipc"] == "host"
    assert service["init"] is True
    assert service["stop_signal"] == "SIGINT"
    assert service["stop_grace_period"] == "15s"
    assert service["restart"] == "no"
    assert service["ulimits"] == {"rtprio": 99, "nice": 40, "memlock": -1}
    assert service["environment"]["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


@each_service
def test_what_it_mounts_and_builds_from_is_there(service):
    build = service["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    arguments = {words[1].split("=")[0] for words in instructions() if words[0] == "ARG"}
    assert set(build["args"]) <= arguments
    for volume in service["volumes"]:
        host, inside = volume.split(":")[:2]
        if inside.startswith("/ws/") and inside != "/ws/runs":
            assert (DOCKER / host).is_file()


def command_words(service):
    return [default(word) for word in service["command"]]


@each_service
def test_its_command_is_a_launch_file_with_arguments_that_exist(service):
    ros2, launch, path, *arguments = command_words(service)
    assert (ros2, launch) == ("ros2", "launch")
    assert (ROOT / path).is_file()
    for argument in arguments:
        name, _, value = argument.partition(":=")
        assert name in ARGUMENTS
        assert value


def test_the_image_runs_as_no_root_in_exec_form():
    last = dict(instructions())
    assert last["USER"].split(":")[0] not in ("0", "root")
    assert last["ENTRYPOINT"] == '["/entrypoint.sh"]'
    assert last["STOPSIGNAL"] == "SIGINT"
    assert last["CMD"].startswith("[")


def position(name, word):
    found = [n for n, (kind, text) in enumerate(instructions()) if kind == name]
    return next(n for n in found if word in instructions()[n][1])


def test_colcon_installs_the_launch_files_with_the_setuptools_of_the_system():
    build = position("RUN", "colcon build")
    assert position("COPY", "config config") < build
    assert position("COPY", "launch launch") < build
    assert position("ENV", "PYTHONPATH=/opt/ur5rl/python") > build


@each_service
def test_what_launch_logs_outlives_the_container(service):
    [words] = [text for kind, text in instructions() if "ROS_LOG_DIR" in text]
    folder = re.search(r"ROS_LOG_DIR=(\S+)", words)[1]
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert any(Path(folder).is_relative_to(inside) for inside in mounted)


def test_every_copied_path_exists_and_reaches_the_engine():
    shown = (ROOT / ".dockerignore").read_text().splitlines()
    for name, arguments in instructions():
        if name != "COPY" or "--from" in arguments:
            continue
        words = [word for word in shlex.split(arguments) if not word.startswith("--")]
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in shown, source


def test_the_entrypoint_is_bash_and_becomes_the_command():
    path = DOCKER / "entrypoint.sh"
    subprocess.run(["bash", "-n", path], check=True)
    assert path.read_text().rstrip().endswith('exec "$@"')
    assert path.stat().st_mode & 0o111
