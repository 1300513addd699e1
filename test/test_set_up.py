"""The set-up of `./ur5rl`: two tiers, the wheels and a sourced ROS 2, in one checkout."""

import os
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load the script as where a ROS 2 is sourced, or none is; keep what it would run."""

    def load(distro=""):
        loader = SourceFileLoader("ur5rl", str(ROOT / "ur5rl"))
        script = module_from_spec(spec_from_loader("ur5rl", loader))
        loader.exec_module(script)
        name = ".venv-ros" if distro else ".venv"
        script.HAS_ROS, script.VENV = bool(distro), tmp_path / name
        script.PYTHON = script.VENV / "bin" / "python"
        monkeypatch.setenv("ROS_DISTRO", distro)
        script.commands = []
        script.run = lambda *command: script.commands.append(command)
        return script

    return load


def test_colcon_and_the_wheels_share_no_build_folder(load, tmp_path):
    (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    script = load()
    script.build_on_wheels()
    configure, *_ = script.commands[0]
    assert Path(configure[configure.index("-B") + 1]).is_relative_to(script.VENV)


def test_another_ros_or_python_builds_the_workspace_again(load, tmp_path):
    script = load("jazzy")
    jazzy = script.digest([])
    assert load("jazzy").digest([]) == jazzy
    assert load("kilted").digest([]) != jazzy
    script.PYTHON.parent.mkdir(parents=True)
    script.PYTHON.symlink_to("/usr/bin/python3.99")
    assert load("jazzy").digest([]) != jazzy


def test_colcon_builds_with_the_python_packages_of_the_system(load, monkeypatch):
    script = load("jazzy")
    ours = script.VENV / "lib" / "python3.12" / "site-packages"
    monkeypatch.setenv("PYTHONPATH", f"{ours}{os.pathsep}/opt/ros/jazzy/lib")
    script.build_with_colcon()
    [(command, environment)] = script.commands
    assert environment["PYTHONPATH"] == "/opt/ros/jazzy/lib"
    assert "--cmake-clean-cache" in command


def test_setuptools_is_one_that_torch_and_colcon_both_take():
    """Torch needs 77.0.3; colcon-core allows none from 80 on."""
    lines = (ROOT / "requirements" / "runtime.txt").read_text().splitlines()
    assert "setuptools>=77.0.3,<80" in [line.split(" #")[0].rstrip() for line in lines]
