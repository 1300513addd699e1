"""The limit on recoveries without a person."""

import pytest

from ur5_rl_env.core.recovery_budget import WINDOW_NS, RecoveryBudget


def test_so_many_in_ten_minutes_and_no_more():
    budget = RecoveryBudget(3)
    assert [budget.spend(k) for k in range(5)] == [True, True, True, False, False]
    assert budget.spend(WINDOW_NS + 1)  # the first one has passed
    assert not budget.spend(WINDOW_NS + 1)


def test_on_a_real_arm_a_person_decides():
    assert not RecoveryBudget(0).spend(0)


def test_fault_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="most must be >= 0, got -1"):
        RecoveryBudget(-1)
