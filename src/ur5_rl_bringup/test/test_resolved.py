"""What a user's parameter file may say, and what the command says."""

from pathlib import Path

import pytest

from ur5_rl_bringup.graph import graph, parameter_files
from ur5_rl_bringup.options import RunOptions
from ur5_rl_bringup.resolved import (
    check_parameters,
    decided_parameters,
    parameters_of,
    write_run_description,
)
from ur5_rl_ros.param_files import values_for_node

ROOT = Path(__file__).parents[3]


@pytest.fixture
def options(tmp_path):
    """Return a function: options with a parameter file that holds these lines."""

    def options(*files, **more):
        paths = []
        for number, (node, line) in enumerate(files):
            paths.append(tmp_path / f"mine_{number}.yaml")
            paths[-1].write_text(f"{node}:\n  ros__parameters: {{{line}}}\n")
        return RunOptions(root=ROOT, run_dir=tmp_path, params=tuple(paths), **more)

    return options


def check(chosen):
    check_parameters(chosen, parameter_files(chosen))


def resolved(chosen):
    return {p.name: parameters_of(p, chosen) for p in graph(chosen, Path("/dev/shm"))}


@pytest.mark.parametrize(
    ("node", "line", "option"),
    [
        ("/**/actor_node", "deterministic: true", "use --checkpoint"),
        ("/**/actor_node", "seed: 7", "use --seed"),
        ("/**/display_node", "motion: static", "use --task"),
        ("/**/display_node", "screen: fullscreen", "use --headless"),
        ("/**/learner_node", "run_dir: /tmp/mine", "use --run-dir"),
        ("/**/learner_node", "resume: true", "use --resume"),
        ("/**/monitor_node", "max_episodes: 3", "use --episodes"),
        ("/**/monitor_node", "max_minutes: 3.0", "use --minutes"),
        ("monitor_node", "policy: servo", "use --policy"),
        ("/**/env_node", "recoveries_file: /tmp/mine", "the command decides it"),
        ("/**", "seed: 7", "use --seed"),
    ],
)
def test_fault_a_parameter_that_the_command_decides_is_refused(
    options, node, line, option
):
    chosen = options(("/**/env_node", "height_px: 36"), (node, line))
    name, value = line.split(": ")
    with pytest.raises(ValueError, match=rf"mine_1\.yaml: {name} of \w+ is") as error:
        check(chosen)
    assert option in str(error.value)
    assert value.strip("'") in str(error.value) or value == "true"
    assert "\n" not in str(error.value)


def test_a_parameter_that_agrees_with_the_command_is_none_the_worse(options):
    check(options(("/**/actor_node", "seed: 3, policy: sac"), seed=3))


def test_what_no_option_was_typed_for_is_the_files(options):
    chosen = options(
        ("/**/env_node", "action_period_s: 0.08, waits_for_learner: true"),
        ("/**/learner_node", "action_period_s: 0.08, architecture: sequential"),
        ("/**/arm_node", "action_period_s: 0.08, max_command_age_s: 0.15"),
        ("/**/watch_node", "action_period_s: 0.08"),
    )
    check(chosen)
    values = resolved(chosen)
    assert values["env_node"]["action_period_s"] == 0.08
    assert values["learner_node"]["architecture"] == "sequential"
    assert values["arm_node"]["max_command_age_s"] == 0.15


def test_fault_a_file_that_changes_what_is_shared_for_one_node_is_refused(options):
    with pytest.raises(ValueError, match="max_joint_speed_rad_s must be the same"):
        check(options(("/**/arm_node", "max_joint_speed_rad_s: 0.3")))


def test_what_a_run_told_of_itself_is_kept_when_it_is_resumed(options, tmp_path):
    chosen = options()
    for part in (1, 2, 3):
        write_run_description(chosen, [])
        (tmp_path / "report.json").write_text(f"{part}")
    kept = [(tmp_path / f"report_{n}.json").read_text() for n in (1, 2)]
    assert kept == ["1", "2"]
    assert sorted(p.name for p in tmp_path.glob("run*.json")) == [
        "run.json", "run_1.json", "run_2.json",
    ]  # fmt: skip


def test_fault_a_file_against_an_option_that_was_typed_is_refused(options):
    node = ("/**/learner_node", "architecture: async_1")
    with pytest.raises(ValueError, match="use --architecture"):
        check(options(node, architecture="sequential"))
    node = ("/**/watch_node", "action_period_s: 0.04")
    with pytest.raises(ValueError, match="use --action-period-ms"):
        check(options(node, action_period_ms=80.0))


def test_the_address_that_was_typed_is_stronger_as_its_help_says(options):
    chosen = options(("/**/arm_node", "robot_ip: 10.0.0.1"), robot_ip="10.0.0.2")
    check(chosen)
    assert resolved(chosen)["arm_node"]["robot_ip"] == "10.0.0.2"


def test_an_age_of_the_users_is_stronger_than_one_that_was_worked_out(options):
    chosen = options(("/**/arm_node", "max_command_age_s: 0.15"), action_period_ms=80.0)
    check(chosen)
    values = resolved(chosen)
    assert values["arm_node"]["max_command_age_s"] == 0.15
    assert values["actor_node"]["max_observation_age_s"] == pytest.approx(0.24)


def test_a_real_robot_shows_the_dot_where_the_users_file_says(options):
    chosen = options(("/**/display_node", "screen: window"), world="robot")
    check(chosen)
    assert resolved(chosen)["display_node"]["screen"] == "window"


@pytest.mark.parametrize("world", ["sim", "robot"])
@pytest.mark.parametrize("task", ["reaching", "tracking", "static"])
def test_no_file_of_ours_says_what_the_command_decides(options, world, task):
    chosen = options(world=world, task=task)
    processes = graph(chosen, Path("/dev/shm"))
    for path in parameter_files(chosen):
        for process in processes:
            said = values_for_node(path, process.name).keys()
            assert not said & decided_parameters(process, chosen).keys()
