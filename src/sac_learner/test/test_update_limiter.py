import pytest
from hypothesis import given
from hypothesis import strategies as st

from sac_learner.core.update_limiter import LimiterState, UpdateLimiter


def spend_all(limiter):
    updates = 0
    while limiter.update_due:
        limiter.spend()
        updates += 1
    return updates


def test_one_update_per_transition_after_the_first_ones():
    limiter = UpdateLimiter(1.0, learning_starts=10, max_pending=1000)
    updates = []
    for transitions in range(1, 15):
        limiter.observe(transitions)
        updates.append(spend_all(limiter))
    assert updates == [0] * 10 + [1] * 4


@given(
    ratio=st.floats(0.05, 8.0), starts=st.integers(0, 50),
    arrivals=st.lists(st.integers(0, 30), max_size=60),
)  # fmt: skip
def test_the_ratio_is_never_passed_and_nothing_is_lost(ratio, starts, arrivals):
    limiter = UpdateLimiter(ratio, starts, max_pending=10**6)
    transitions = updates = 0
    for arrived in arrivals:
        transitions += arrived
        limiter.observe(transitions)
        updates += spend_all(limiter)
        earned = ratio * max(transitions - starts, 0)
        assert earned - 1.0 - 1e-6 <= updates <= earned + 1e-6


def test_a_slow_learner_owes_a_bounded_number():
    limiter = UpdateLimiter(1.0, learning_starts=0, max_pending=100)
    limiter.observe(5000)
    assert spend_all(limiter) == 100


def test_a_restored_limiter_goes_on_where_it_was():
    limiter = UpdateLimiter(0.5, learning_starts=10, max_pending=100)
    limiter.observe(31)
    limiter.spend()
    again = UpdateLimiter(0.5, learning_starts=10, max_pending=100)
    again.state = LimiterState(*limiter.state)
    for each in (limiter, again):
        each.observe(40)
    assert spend_all(again) == spend_all(limiter) == 14


def test_transitions_that_refill_an_empty_buffer_bring_nothing():
    limiter = UpdateLimiter(1.0, learning_starts=10, max_pending=100)
    limiter.state = LimiterState(transitions=500, tokens=0.5)
    limiter.start_after(510)
    for transitions, updates in ((505, 0), (510, 0), (513, 3)):
        limiter.observe(transitions)
        assert spend_all(limiter) == updates
    assert limiter.updates_owed == 0.5


def test_fault_a_total_that_falls_back_earns_nothing_twice():
    limiter = UpdateLimiter(1.0, learning_starts=0, max_pending=100)
    for total in (20, 5, 20):
        limiter.observe(total)
    assert limiter.state.tokens == pytest.approx(20.0)


def test_what_is_owed_is_what_was_paid_for_and_not_taken():
    limiter = UpdateLimiter(0.5, learning_starts=10, max_pending=100)
    limiter.observe(31)
    assert limiter.updates_owed == pytest.approx(10.5)
    assert spend_all(limiter) == 10
    assert limiter.updates_owed == pytest.approx(0.5)


@pytest.mark.parametrize("starts", [0, 10])
def test_free_running_is_always_due_once_learning_has_started(starts):
    limiter = UpdateLimiter(0.0, learning_starts=starts, max_pending=100)
    limiter.observe(max(starts - 1, 0))
    assert not limiter.update_due
    limiter.observe(max(starts, 1))
    for _ in range(1000):
        assert limiter.update_due
        limiter.spend()
    assert limiter.updates_owed == 0.0
    assert limiter.state == LimiterState(max(starts, 1), 0.0)


def test_a_debt_of_a_limited_run_does_not_hold_up_a_free_one():
    limiter = UpdateLimiter(0.0, learning_starts=0, max_pending=100)
    limiter.state = LimiterState(transitions=50, tokens=-0.25)
    assert limiter.update_due
    assert limiter.updates_owed == 0.0
