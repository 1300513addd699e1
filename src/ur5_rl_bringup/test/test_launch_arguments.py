"""What `ros2 launch` is given, without launch."""

from pathlib import Path

import pytest

from ur5_rl_bringup.launch_arguments import ARGUMENTS, options_of

ROOT = Path(__file__).parents[3]
DEFAULTS = {name: default for name, (default, _) in ARGUMENTS.items()}


def options(**given):
    return options_of(DEFAULTS | given, ROOT, "robot")


def test_the_defaults_are_a_run():
    chosen = options()
    assert (chosen.world, chosen.task, chosen.policy) == ("robot", "reaching", "sac")
    assert not (chosen.headless or chosen.resume or chosen.dry_run)


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
