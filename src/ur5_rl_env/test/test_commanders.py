"""Who sends commands: one at a time, and nobody who does not look."""

from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.commanders import MOST, Commanders

MS = 1_000_000
SILENCE_MS = 120


def heard(*calls):
    """Return commanders that have heard (session, ms, is_asked), and the refusals."""
    commanders = Commanders(SILENCE_MS * MS)
    said = [commanders.hear(s, ms * MS, is_asked=asked) for s, ms, asked in calls]
    return commanders, said


def test_one_sender_is_followed():
    commanders, said = heard(*((1, 40 * k, True) for k in range(10)))
    assert set(said) == {""}
    assert commanders.conflict(360 * MS) == ""


def test_fault_two_that_go_on_are_in_conflict_until_one_is_silent():
    calls = [(1 + k % 2, 20 * k, True) for k in range(4)]  # up to 60 ms
    commanders, _ = heard(*calls)
    assert commanders.conflict(61 * MS) == "2 commanders: sessions 1, 2"
    commanders.hear(1, 100 * MS, is_asked=True)
    assert commanders.conflict((60 + SILENCE_MS - 1) * MS) != ""
    assert commanders.conflict((60 + SILENCE_MS) * MS) == ""


def test_a_single_command_of_another_is_no_second_commander():
    commanders, _ = heard((1, 0, True), (1, 40, True), (2, 60, True), (1, 80, True))
    assert commanders.conflict(80 * MS) == ""


def test_a_successor_is_followed_at_once():
    commanders, said = heard((1, 0, True), (1, 40, True), (2, 170, True), (2, 210, True))
    assert set(said) == {""}
    assert commanders.conflict(210 * MS) == ""


def test_fault_who_commands_unasked_is_not_followed_until_it_was_silent():
    calls = [(1, 40 * k, k > 10) for k in range(30)]  # up to 1160 ms
    commanders, said = heard(*calls)
    assert all("be silent for 0.12 s first" in text for text in said)
    later_ms = 1160 + SILENCE_MS
    assert commanders.hear(1, later_ms * MS, is_asked=True) == ""


def test_fault_a_storm_of_senders_is_bounded():
    commanders, said = heard(*((session, 0, True) for session in range(1000)))
    assert said.count("") == MOST
    assert "more than 8 senders" in said[-1]
    assert commanders.hear(5000, SILENCE_MS * MS, is_asked=True) == ""


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.booleans()), max_size=60)
)
def test_nobody_is_followed_who_spoke_unasked_within_the_silence(steps):
    now_ms, calls = 0, []
    for session, wait_ms, asked in steps:
        now_ms += wait_ms
        calls.append((session, now_ms, asked))
    _, said = heard(*calls)
    for index, ((session, _, asked), text) in enumerate(zip(calls, said, strict=True)):
        if text or not asked:
            continue
        last_ms = calls[index][1]
        for earlier, ms, was_asked in reversed(calls[:index]):
            if earlier == session:
                if last_ms - ms >= SILENCE_MS:
                    break
                assert was_asked
                last_ms = ms
