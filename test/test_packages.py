"""What each package.xml promises to rosdep, against what the package imports."""

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
MANIFESTS = sorted((ROOT / "src").glob("*/package.xml"))
OURS = {path.parent.name for path in MANIFESTS}
RUNTIME = (ROOT / "requirements" / "runtime.txt").read_text()

# Import name: rosdep key that ends in an apt package (ros/rosdistro, rosdep/python.yaml).
ROSDEP = {
    "cv2": "python3-opencv",
    "hypothesis": "python3-hypothesis",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "psutil": "python3-psutil",
    "pygame": "python3-pygame",
    "pytest": "python3-pytest",
    "yaml": "python3-yaml",
}
# Import name: requirement, where there is none.
PIP = {
    "dashboard_client": "ur-rtde",
    "gymnasium": "gymnasium",
    "rtde_control": "ur-rtde",
    "rtde_io": "ur-rtde",
    "rtde_receive": "ur-rtde",
    "safetensors": "safetensors",
    "stable_baselines3": "",  # learns with our environment in tests alone: dev.txt
    "tensorboard": "",  # reads event files back in tests alone: requirements/dev.txt
    "tensorboardX": "tensorboardX",
    "torch": "torch",
}


def imported(files):
    """Return top-level names of other packages, the standard library left out."""
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


def declared(manifest, *kinds):
    root = ElementTree.parse(manifest).getroot()
    return {element.text for kind in kinds for element in root.findall(kind)}


def sources(folder):
    own = (folder / folder.name).rglob("*.py")
    return [path for path in own if path.name != "testing.py"]  # fixtures for tests


def keys_of(names):
    return {ROSDEP.get(name, name) for name in names if name not in PIP}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda p: p.parent.name)
def test_what_a_package_imports_is_declared(manifest):
    folder = manifest.parent
    needed = keys_of(imported(sources(folder)) - {folder.name})
    run_time = declared(manifest, "depend", "exec_depend")
    assert needed <= run_time
    tests = [*folder.glob("test/*.py"), *folder.glob(f"{folder.name}/testing.py")]
    # Tests run from the source tree, where all of ours are; a manifest that named them
    # would close a circle: the arm tests use the virtual robot, that uses the arm core.
    ours = {path.parent.name for path in MANIFESTS} | {path.stem for path in tests}
    needed = keys_of(imported(tests) - ours)
    assert needed <= run_time | declared(manifest, "test_depend")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda p: p.parent.name)
def test_every_key_of_a_python_package_exists_and_is_needed(manifest):
    keys = declared(manifest, "depend", "exec_depend", "test_depend")
    known = set(ROSDEP.values())
    assert {key for key in keys if key.startswith("python3-")} <= known
    run_time = declared(manifest, "depend", "exec_depend")
    if manifest.parent.name != "ur5_rl_interfaces":
        used = keys_of(imported(sources(manifest.parent)))
        assert (run_time & known) <= used
        assert (run_time & OURS) <= used | OURS - {manifest.parent.name}


def test_what_rosdep_cannot_install_is_pinned():
    for requirement in set(PIP.values()) - {""}:
        assert re.search(rf"^{re.escape(requirement)}==\d", RUNTIME, re.M), requirement
