"""The oldest ROS 2 that the graph runs on: Jazzy, whose rclpy has no generic classes."""

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[3] / "src"
# `Subscription[Any]`, evaluated, is a TypeError in Jazzy and fine from Kilted on.
PROGRAM = """
import importlib, inspect, pkgutil, sys, typing
import rclpy

def plain(cls, _item):
    raise TypeError(f"type '{cls.__name__}' is not subscriptable")

names = [module.name for module in pkgutil.walk_packages(rclpy.__path__, "rclpy.")]
parts = [importlib.import_module(name) for name in names if "._" not in name]
classes = {cls for part in parts for _, cls in inspect.getmembers(part, inspect.isclass)}
generic = {cls for cls in classes if typing.Generic in cls.__mro__}
generic = {cls for cls in generic if cls.__module__.startswith("rclpy")}
for cls in generic:
    cls.__class_getitem__ = classmethod(plain)
if generic:
    try:
        importlib.import_module("rclpy.subscription").Subscription[int]
    except TypeError:
        pass
    else:
        sys.exit("the stand-in does not refuse")
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def modules():
    """Return the dotted name of every module of the workspace."""
    for package in sorted(path.parent for path in SRC.glob("*/setup.py")):
        for path in sorted((package / package.name).rglob("*.py")):
            words = path.relative_to(package).with_suffix("").parts
            yield ".".join(words[:-1] if words[-1] == "__init__" else words)


def needs_a_full_ros(name):
    return name == "ur5_rl_bringup.launch_actions"  # imports launch_ros


@pytest.mark.skipif(not SRC.is_dir(), reason="not a checkout")
def test_every_module_imports_where_no_class_of_rclpy_is_generic():
    names = [name for name in modules() if not needs_a_full_ros(name)]
    assert len(names) > 100
    command = [sys.executable, "-c", PROGRAM, *names]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
