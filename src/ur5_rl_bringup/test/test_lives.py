"""What the end of a process means for the run."""

from ur5_rl_bringup.core.lives import (
    MAX_AWAY_S,
    MAX_RESTARTS,
    RAN_WELL_S,
    RESTART_WINDOW_S,
    RETRY_DELAY_S,
    Lives,
    Outlook,
)


def crash(lives, now_s, lived_s=1.0):
    return lives.outlook(refused=False, lived_s=lived_s, now_s=now_s)


def refusal(lives, now_s, lived_s=1.0):
    return lives.outlook(refused=True, lived_s=lived_s, now_s=now_s)


def after_a_good_life():
    lives = Lives()
    assert crash(lives, 100.0, lived_s=RAN_WELL_S) is Outlook.RESTART
    return lives


def test_so_many_restarts_in_a_minute_and_no_more():
    lives = Lives()
    outlooks = [crash(lives, float(t)) for t in range(MAX_RESTARTS + 1)]
    assert outlooks == [Outlook.RESTART] * MAX_RESTARTS + [Outlook.TOO_OFTEN]
    assert crash(lives, MAX_RESTARTS + RESTART_WINDOW_S) is Outlook.RESTART


def test_a_process_that_never_ran_has_a_wrong_configuration():
    assert refusal(Lives(), 0.0) is Outlook.WRONG
    assert refusal(Lives(), 0.0, lived_s=2 * RAN_WELL_S) is Outlook.WRONG
    lives = Lives()
    crash(lives, 0.0, lived_s=RAN_WELL_S - 1.0)
    assert refusal(lives, 1.0) is Outlook.WRONG


def test_fault_a_robot_that_is_away_longer_than_a_start_waits_does_not_end_the_run():
    lives = after_a_good_life()
    for now_s in range(101, 101 + 60 * MAX_RESTARTS):  # far more than the budget
        outlook = refusal(lives, float(now_s))
        assert outlook is Outlook.RETRY and outlook.goes_on
        assert outlook.delay_s == RETRY_DELAY_S
    assert crash(lives, 500.0) is Outlook.RESTART  # it was back


def test_fault_a_link_that_is_lost_soon_after_the_start_may_come_back_too():
    lives = Lives()
    first = lives.outlook(refused=False, lived_s=5.0, now_s=5.0, lost_link=True)
    assert first is Outlook.RESTART
    assert refusal(lives, 16.0) is Outlook.RETRY


def test_fault_what_never_comes_back_ends_the_run_after_all():
    lives = after_a_good_life()
    assert refusal(lives, 101.0) is Outlook.RETRY
    assert refusal(lives, 101.0 + MAX_AWAY_S) is Outlook.RETRY
    assert refusal(lives, 102.0 + MAX_AWAY_S) is Outlook.TOO_LONG
    lives = after_a_good_life()
    assert refusal(lives, 101.0) is Outlook.RETRY
    crash(lives, 900.0)  # it was there, for a moment
    assert refusal(lives, 901.0) is Outlook.RETRY
    assert refusal(lives, 900.0 + MAX_AWAY_S) is Outlook.RETRY
