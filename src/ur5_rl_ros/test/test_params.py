"""Configuration from parameters: what is misspelt or mistyped is refused by name."""

import os
from dataclasses import asdict, dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.parameter import Parameter

from ur5_rl_ros.param_files import (
    config_from_args,
    config_from_values,
    values_for_node,
)
from ur5_rl_ros.params import load_config


@dataclass(frozen=True, kw_only=True)
class Config:
    """One field of each kind that a node uses."""

    speed_rad_s: float = 0.5
    frames: int = 3
    policy: str = "sac"
    is_headless: bool = False
    centre_m: tuple[float, ...] = (1.0, 2.0)
    names: tuple[str, ...] = ()
    device: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.speed_rad_s <= 1.0:
            raise ValueError(f"speed_rad_s must be in (0, 1], got {self.speed_rad_s}")


def from_values(**given):
    return config_from_values(Config, given, where="arm_node")


def test_no_parameters_give_the_defaults():
    assert from_values() == Config()


@given(
    speed_rad_s=st.floats(0.01, 1.0),
    frames=st.integers(),
    policy=st.text(),
    is_headless=st.booleans(),
    centre_m=st.lists(st.floats(allow_nan=False)).map(tuple),
    names=st.lists(st.text()).map(tuple),
)
def test_every_value_of_the_right_type_arrives(**given):
    config = from_values(**given | {"centre_m": list(given["centre_m"])})
    assert {name: asdict(config)[name] for name in given} == given


def test_a_whole_number_is_a_float_where_a_float_is_wanted():
    config = from_values(speed_rad_s=1, centre_m=[1, 2.5])
    assert (config.speed_rad_s, config.centre_m) == (1.0, (1.0, 2.5))
    assert type(config.speed_rad_s) is float
    assert type(config.centre_m[0]) is float


@pytest.mark.parametrize(
    "given,text",
    [
        ({"speed_rad_s": "fast"}, "arm_node: speed_rad_s must be float, got 'fast'"),
        ({"speed_rad_s": True}, "speed_rad_s must be float, got True"),
        ({"frames": 3.0}, "frames must be int, got 3.0"),
        ({"frames": True}, "frames must be int, got True"),
        ({"policy": 3}, "policy must be str, got 3"),
        ({"is_headless": 1}, "is_headless must be bool, got 1"),
        ({"is_headless": "false"}, "is_headless must be bool, got 'false'"),
        ({"centre_m": 1.0}, "centre_m must be a list of float, got 1.0"),
        ({"centre_m": "12"}, "centre_m must be a list of float, got '12'"),
        ({"centre_m": [1.0, "x"]}, "centre_m must be float, got 'x'"),
        ({"device": 3}, "device must be str, got 3"),
        ({"speed_rad_s": 2.0}, r"arm_node: speed_rad_s must be in \(0, 1\], got 2.0"),
        ({"speed_rad_s": float("nan")}, "got nan"),
        (
            {"sped_rad_s": 0.4},
            "arm_node: unknown parameter sped_rad_s; known are .*",
        ),
        ({"zeta": 1, "alpha": 1}, "unknown parameter alpha, zeta"),
    ],
)
def test_fault_a_wrong_value_is_refused_by_name_value_and_bound(given, text):
    with pytest.raises(ValueError, match=text):
        from_values(**given)


# Files and command lines, without rclpy


@pytest.fixture
def file(tmp_path):
    """Write a parameter file and return its path."""

    def file(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return file


@pytest.mark.parametrize("key", ["/**", "/**/arm_node", "/arm_node", "arm_node"])
def test_a_file_speaks_to_a_node_by_any_of_its_names(file, key):
    path = file(f"{key}:\n  ros__parameters:\n    frames: 4\n")
    assert values_for_node(path, "arm_node") == {"frames": 4}


def test_a_file_says_nothing_to_other_nodes(file):
    path = file("/**/arm_node:\n  ros__parameters:\n    frames: 4\n")
    assert values_for_node(path, "env_node") == {}


def test_later_entries_of_a_file_win(file):
    path = file(
        "/**:\n  ros__parameters: {frames: 4, policy: zero}\n"
        "/**/arm_node:\n  ros__parameters: {frames: 5}\n"
    )
    assert values_for_node(path, "arm_node") == {"frames": 5, "policy": "zero"}


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "arm_node:\n  ros__parameters:\n"]
)
def test_an_empty_file_gives_nothing(file, text):
    assert values_for_node(file(text), "arm_node") == {}


@pytest.mark.parametrize(
    "text",
    [
        "arm_node:\n  frames: 4\n",
        "frames: 4\n",
        "just words\n",
        "- a\n- list\n",
        "arm_node: [1\n",
        "arm_node:\n  ros__parameters: 5\n",
        "arm_node:\n  ros__parameters: [frames]\n",
        "!!python/object/apply:os.getcwd []\n",
    ],
)
def test_fault_a_file_that_is_no_parameter_file_is_refused_by_name(file, text):
    path = file(text)
    with pytest.raises(ValueError, match="params.yaml"):
        values_for_node(path, "arm_node")


BOMB = "\n".join(
    ["a: &a [lol]"]
    + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi")]
)
RATES = "arm_node:\n  ros__parameters:\n    speed_rad_s: "


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 5000,
        RATES + "!!timestamp x\n",
        RATES + "!!int x\n",
        RATES + "9" * 5000 + "\n",
        RATES + "&a [*a]\n",
        "? [1, 2]\n: 3\n",
        "arm_node: " + "[x]" * 5000,
    ],
)
def test_fault_yaml_that_breaks_its_reader_is_refused_in_one_line(file, text):
    with pytest.raises(ValueError, match="params.yaml") as caught:
        values_for_node(file(text), "arm_node")
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("9" * 400, "speed_rad_s is too large for float"),
        ("'" + "x" * 10_000 + "'", "speed_rad_s must be float, got 'xxx"),
        ("2026-01-01", "speed_rad_s must be float"),
        ("{a: {b: c}}", "speed_rad_s must be float"),
    ],
)
def test_fault_an_odd_value_is_refused_in_one_short_line(file, value, complaint):
    words = ["--params-file", str(file(RATES + value + "\n"))]
    with pytest.raises(ValueError, match=complaint) as caught:
        config_from_args(words, "arm_node", Config)
    assert len(str(caught.value)) < 300


def test_fault_parameter_names_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="unknown parameter 7, zeta"):
        config_from_values(Config, {"zeta": 1, 7: 1}, where="arm_node")


@pytest.mark.parametrize("what", ["pipe", "device", "large"])
def test_fault_what_is_no_file_of_bounded_size_is_not_read(tmp_path, what):
    path = tmp_path / "params.yaml"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 10**12)
    with pytest.raises(ValueError, match="params.yaml.*regular file of at most"):
        values_for_node(path, "arm_node")


def test_fault_a_missing_or_binary_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="gone.yaml"):
        values_for_node(tmp_path / "gone.yaml", "arm_node")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match="binary.yaml"):
        values_for_node(tmp_path / "binary.yaml", "arm_node")


def test_a_command_line_reads_as_rclpy_reads_it(file):
    path = file("/**:\n  ros__parameters: {frames: 4, policy: zero}\n")
    words = ["--ros-args", "--params-file", str(path), "-p", "frames:=6"]
    words += [
        "-p",
        "speed_rad_s:=1e-1",
        "-p",
        "centre_m:=[0.5, 1]",
        "-p",
        "device:=/dev/v",
    ]
    config = config_from_args(words, "arm_node", Config)
    assert config == Config(
        frames=6, policy="zero", speed_rad_s=0.1, centre_m=(0.5, 1.0), device="/dev/v"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["-p"],
        ["-p", "frames"],
        ["-p", "frames=3"],
        ["-p", "centre_m:=[1"],
        ["--params-file"],
    ],
)
def test_fault_a_torn_command_line_is_refused(words):
    with pytest.raises(ValueError):
        config_from_args(["--ros-args", *words], "arm_node", Config)


# On a real node


@pytest.fixture
def make_node(ros):
    """Make nodes with parameter overrides; destroy them at the end."""
    made = []

    def make_node(**given):
        node = Node(
            "arm_node",
            context=ros.context,
            automatically_declare_parameters_from_overrides=True,
            parameter_overrides=[Parameter(k, value=v) for k, v in given.items()],
        )
        made.append(node)
        return node

    yield make_node
    for node in made:
        node.destroy_node()


def test_a_node_gives_its_parameters_and_declares_the_rest(make_node):
    node = make_node(frames=7, centre_m=[0.25, 0.5], is_headless=True)
    config = load_config(node, Config)
    assert config == Config(frames=7, centre_m=(0.25, 0.5), is_headless=True)
    # What a person asks for by `ros2 param get` is what is in force.
    assert node.get_parameter("frames").value == 7
    assert node.get_parameter("speed_rad_s").value == 0.5
    assert node.get_parameter("policy").value == "sac"


@pytest.mark.parametrize("name,value", [("frames", 9), ("policy", "zero")])
def test_parameters_are_read_only_once_they_are_loaded(make_node, name, value):
    node = make_node(frames=7)
    load_config(node, Config)
    before = node.get_parameter(name).value
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert node.get_parameter(name).value == before


def test_what_ros_itself_declares_is_not_refused(make_node):
    assert load_config(make_node(use_sim_time=False), Config) == Config()


@pytest.mark.parametrize("given", [{"frmes": 3}, {"frames": "three"}, {"frames": 2.5}])
def test_fault_a_node_with_a_wrong_parameter_does_not_start(make_node, given):
    with pytest.raises(ValueError, match=f"arm_node: .*{next(iter(given))}"):
        load_config(make_node(**given), Config)
