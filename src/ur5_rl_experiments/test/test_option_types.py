"""Options that count or measure: what is refused, and in which words."""

import pytest

from ur5_rl_experiments import commands
from ur5_rl_experiments.core.option_types import positive_float, positive_int


def test_what_is_positive_is_taken():
    assert (positive_int("3"), positive_float("0.5")) == (3, 0.5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["learner", "--rounds", "0"], "--rounds: must be at least 1, got 0"),
        (["learner", "--threads", "x"], "--threads: must be an integer, got 'x'"),
        (["timing", "--threads", "0"], "--threads: must be at least 1, got 0"),
        (["resume", "--kills", "-1"], "--kills: must be at least 1, got -1"),
        (["resume", "--rate-hz", "0"], "--rate-hz: must be positive, got 0.0"),
        (["resume", "--rate-hz", "fast"], "--rate-hz: must be a number, got 'fast'"),
        (["cycle", "--minutes", "nan"], "--minutes: must be positive, got nan"),
        (["env", "--steps", "0"], "--steps: must be at least 1, got 0"),
    ],
)
def test_fault_a_bench_of_nothing_is_refused_in_a_line(words, said, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main(tmp_path, ["bench", *words])
    assert capsys.readouterr().err.endswith(f"error: argument {said}\n")
