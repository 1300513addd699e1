import pytest

from sac_learner.core.lost_steps import LostSteps


@pytest.mark.parametrize(
    ("lost", "total", "said"),
    [
        (LostSteps(7, 0, 0, 0), 7, "7 time steps lost on the way"),
        # A gap is the trace of what was refused here, not another loss.
        (LostSteps(7, 1, 0, 4), 7, "at least 7 time steps lost; of those that came: "
         "1 malformed, 4 for want of room in the inbox"),
        # Where nothing is ever taken there never is a gap.
        (LostSteps(0, 0, 3, 0), 3, "at least 3 time steps lost; of those that came: "
         "3 refused by the replay buffer"),
    ],
)  # fmt: skip
def test_each_lost_step_counts_once(lost, total, said):
    assert lost.total == total
    assert str(lost) == said


def test_nothing_is_lost_where_nothing_is_counted():
    assert LostSteps(0, 0, 0, 0).total == 0
