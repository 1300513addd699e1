"""The dependency arrows of docs/architecture.md, enforced on every import statement."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
PACKAGES = {path.parent.name for path in SRC.glob("*/package.xml")}
STANDARD = set(sys.stdlib_module_names)

# What the `core/` of each package may import besides the standard library and itself.
CORE = {
    "ur5_rl_env": {"numpy", "cv2"},
    "sac_learner": {"numpy", "cv2", "torch", "safetensors", "ur5_rl_env.core"},
    "target_display": {"numpy", "cv2"},
    "ur5_sim": {"numpy", "cv2", "ur5_rl_env.core", "target_display.core"},
    "ur5_rl_bringup": {"numpy", "matplotlib", "tensorboardX", "ur5_rl_env.core"},
    "ur5_rl_experiments": {
        "numpy",
        "cv2",
        "torch",
        "matplotlib",
        "ur5_rl_env.core",
        "sac_learner.core",
        "target_display.core",
        "ur5_sim.core",
    },
}
# Which of our packages anything in a package may import besides itself.
PACKAGE = {
    "ur5_rl_interfaces": set(),
    "ur5_rl_ros": {"ur5_rl_interfaces"},
    "ur5_rl_env": {"ur5_rl_ros", "ur5_rl_interfaces"},
    "sac_learner": {"ur5_rl_ros", "ur5_rl_interfaces", "ur5_rl_env.core"},
    "target_display": {"ur5_rl_ros", "ur5_rl_interfaces"},
    "ur5_sim": {
        "ur5_rl_ros",
        "ur5_rl_interfaces",
        "ur5_rl_env.core",
        "target_display.core",
    },
    "ur5_rl_bringup": PACKAGES - {"ur5_rl_experiments"},
    "ur5_rl_experiments": PACKAGES,
}
CLOCKS = {"time", "datetime"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def allows(allowed: set[str], module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def sources(pattern: str) -> list[pytest.param]:
    paths = [
        p for p in sorted(SRC.glob(pattern)) if p.relative_to(SRC).parts[1] != "test"
    ]
    assert paths, f"no source matches {pattern}"
    return [pytest.param(path, id=str(path.relative_to(SRC))) for path in paths]


@pytest.mark.parametrize("path", sources("*/*/core/**/*.py"))
def test_core_is_free_of_ros_and_of_other_packages(path: Path) -> None:
    package = path.relative_to(SRC).parts[0]
    allowed = CORE[package] | STANDARD | {package}
    wrong = [m for m in imports(path) if m and not allows(allowed, m)]
    assert not wrong


@pytest.mark.parametrize("path", sources("*/*/core/**/*.py"))
def test_core_reads_no_clock(path: Path) -> None:
    assert not CLOCKS & {module.split(".")[0] for module in imports(path)}


@pytest.mark.parametrize("path", sources("*/*/**/*.py"))
def test_packages_meet_only_where_the_arrows_say(path: Path) -> None:
    package = path.relative_to(SRC).parts[0]
    allowed = PACKAGE[package] | {package}
    ours = [m for m in imports(path) if m.split(".")[0] in PACKAGES]
    assert not [m for m in ours if not allows(allowed, m)]


def test_fault_a_forbidden_import_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "wrong.py"
    source.write_text("import rclpy\nfrom sac_learner.nodes import actor_node\n")
    found = list(imports(source))
    assert not allows(CORE["ur5_rl_env"] | {"ur5_rl_env"}, found[0])
    assert not allows(PACKAGE["sac_learner"], "ur5_rl_env.nodes.arm_node")
    assert allows(PACKAGE["sac_learner"], "ur5_rl_env.core.kinematics")
