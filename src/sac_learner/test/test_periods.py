import pytest

from sac_learner.nodes.periods import Due, Stopwatch


def test_due_once_per_period_and_never_in_a_burst():
    due = Due(1.0, now_s=10.0)
    answers = [due(t) for t in (10.5, 11.0, 11.1, 11.9, 12.0, 17.3, 17.4, 18.1)]
    assert answers == [False, True, False, False, True, True, False, True]


def test_the_stopwatch_tells_the_mean_and_begins_again(monkeypatch):
    now = iter([0.0, 0.010, 5.0, 5.030])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    watch = Stopwatch()
    for _ in range(2):
        with watch:
            pass
    assert watch.count == 2
    assert watch.read_ms() == pytest.approx(20.0)
    assert (watch.count, watch.read_ms()) == (0, 0.0)
