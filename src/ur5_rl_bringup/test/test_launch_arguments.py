"""What `ros2 launch` is given, without launch."""

from pathlib import Path

import pytest

from ur5_rl_bringup.launch_arguments import ARGUMENTS, check_names, options_of

ROOT = Path(__file__).parents[3]
DEFAULTS = {name: default for name, (default, _) in ARGUMENTS.items()}


def options(world="robot", **given):
    return options_of(DEFAULTS | given, ROOT, world)


@pytest.fixture
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_display")
def test_the_defaults_are_a_run():
    chosen = options()
    assert (chosen.world, chosen.task, chosen.policy) == ("robot", "reaching", "sac")
    assert not (chosen.headless or chosen.resume or chosen.dry_run)


def test_a_run_is_kept_beside_the_sources_or_where_the_package_is_installed_here(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert options().run_dir.parent == ROOT / "runs"
    installed = options_of(DEFAULTS, ROOT / "src" / "ur5_rl_bringup", "robot")
    assert installed.run_dir.parent == tmp_path / "runs"


def test_the_package_installs_the_launch_files_and_what_they_read():
    package = ROOT / "src" / "ur5_rl_bringup"
    for folder in ("launch", "config"):
        assert (package / folder).resolve() == ROOT / folder
        assert f'glob("{folder}/' in (package / "setup.py").read_text()


def test_a_run_that_goes_on_keeps_its_task(tmp_path):
    (tmp_path / "run.json").write_text('{"options": {"task": "tracking"}}')
    assert options(run_dir=str(tmp_path)).task == "reaching"
    assert options(run_dir=str(tmp_path), resume="true").task == "tracking"
    assert options(checkpoint=str(tmp_path)).task == "tracking"
    assert options(checkpoint=str(tmp_path), task="static").task == "static"


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_a_switch_is_on(word):
    assert options(dry_run=word).dry_run


@pytest.mark.parametrize("word", ["yes", "on", "ture", ""])
def test_fault_a_word_that_is_no_switch_lets_no_arm_move(word):
    with pytest.raises(ValueError, match=f"dry_run must be true or false, got '{word}'"):
        options(dry_run=word)


@pytest.mark.usefixtures("no_display")
@pytest.mark.parametrize(
    ("display", "word", "expected"),
    [("", "false", True), (":0", "false", False), (":0", "true", True)],
)
def test_a_simulation_draws_off_screen_where_there_is_no_display(
    monkeypatch, display, word, expected
):
    monkeypatch.setenv("DISPLAY", display)
    assert options("sim", headless=word).headless is expected


def test_every_argument_of_ours_and_of_launch_itself_is_known():
    check_names([*ARGUMENTS, "ros_namespace", "launch-prefix"], ARGUMENTS)


@pytest.mark.parametrize("name", ["dryrun", "dry-run", "DRY_RUN", "robot_host"])
def test_fault_a_misspelt_argument_lets_no_arm_move(name):
    complaint = f"unknown launch argument {name}; known are action_period_ms, .*run_dir"
    with pytest.raises(ValueError, match=complaint):
        check_names([*ARGUMENTS, name], ARGUMENTS)
