"""The limit on recoveries without a person."""

import pytest

from ur5_rl_env.core.recovery_budget import WINDOW_NS, RecoveryBudget


def test_so_many_in_ten_minutes_and_no_more():
    budget = RecoveryBudget(3)
    assert [budget.spend(k) for k in range(5)] == [True, True, True, False, False]
    budget.forgive()
    assert budget.spend(WINDOW_NS + 1)  # the first one has passed
    assert not budget.spend(WINDOW_NS + 1)


def test_fault_a_stop_that_was_left_to_a_person_stays_so():
    budget = RecoveryBudget(1)
    assert budget.spend(0)
    assert budget.refusal == ""
    assert not budget.spend(1)
    assert not budget.spend(10 * WINDOW_NS)
    assert budget.refusal.startswith("1 recoveries in ten minutes are spent")
    budget.forgive()  # a person has ended it
    assert budget.spend(10 * WINDOW_NS)


def test_fault_a_new_process_has_not_forgotten_what_was_spent(tmp_path):
    file = tmp_path / "recoveries"
    assert RecoveryBudget(2, file).spend(5)
    assert RecoveryBudget(2, file).spend(6)
    assert RecoveryBudget(2, file).spend(4)  # the host has started anew meanwhile
    assert not RecoveryBudget(2, file).spend(7)


def test_fault_a_new_process_leaves_to_a_person_what_the_old_one_left(tmp_path):
    file = tmp_path / "recoveries"
    budget = RecoveryBudget(1, file)
    assert budget.spend(0) and not budget.spend(1)
    restarted = RecoveryBudget(1, file)
    assert restarted.is_latched and "a person has to" in restarted.refusal
    assert not restarted.spend(10 * WINDOW_NS)
    restarted.forgive()  # a person has ended it
    assert RecoveryBudget(1, file).spend(10 * WINDOW_NS)


def test_the_file_of_an_earlier_version_still_counts(tmp_path):
    file = tmp_path / "recoveries"
    file.write_text("[5, 6]")
    budget = RecoveryBudget(2, file)
    assert not budget.is_latched
    assert not budget.spend(7)


@pytest.mark.parametrize(
    "text",
    [
        "[1, null]",
        "[Infinity]",
        "7",
        "{}",
        '{"spent_ns": [1]}',
        '{"spent_ns": 1, "is_latched": true}',
        '{"spent_ns": [], "is_latched": 1}',
        "[1, ",
    ],
)
def test_fault_a_file_of_something_else_is_refused(tmp_path, text):
    file = tmp_path / "recoveries"
    file.write_text(text)
    with pytest.raises(ValueError, match="does not hold the instants"):
        RecoveryBudget(2, file)


def test_on_a_real_arm_a_person_decides():
    assert not RecoveryBudget(0).spend(0)


def test_fault_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="most must be >= 0, got -1"):
        RecoveryBudget(-1)
