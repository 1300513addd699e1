"""Exit codes in, the fate of the run out: the same under `ur5rl` and `ros2 launch`."""

import signal

import pytest

from ur5_rl_bringup.core.lives import RAN_WELL_S, Lives, Outlook
from ur5_rl_bringup.ends import outlook_after


def after(lives, *codes):
    ends = [outlook_after(lives, code, lived_s=1.0, now_s=9.0) for code in codes]
    return ends[-1]


@pytest.mark.parametrize(
    ("codes", "outlook"),
    [
        ((0,), Outlook.DONE),
        ((1,), Outlook.RESTART),
        ((-signal.SIGKILL,), Outlook.RESTART),
        ((2,), Outlook.WRONG),
        ((3,), Outlook.RESTART),
        ((3, 2), Outlook.RETRY),  # it had a link: it is gone, not wrong
        ((1, 2), Outlook.WRONG),
        ((1,) * 6, Outlook.TOO_OFTEN),
    ],
)
def test_what_follows(codes, outlook):
    assert after(Lives(), *codes) is outlook


def test_a_long_life_counts_too():
    lives = Lives()
    outlook_after(lives, 1, lived_s=RAN_WELL_S, now_s=50.0)
    assert after(lives, 2) is Outlook.RETRY
