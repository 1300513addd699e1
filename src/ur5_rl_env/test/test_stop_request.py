"""Stop requests: what stands, for how long, and who may take it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.stop_request import StopRequest, StopRequests

MS = 1_000_000
NOW = 10_000 * MS


def request(reason="camera_node is silent", *, sent_ms=10_000, session=1):
    return StopRequest(session, sent_ms * MS, reason)


def test_an_absent_watch_asks_for_nothing():
    assert StopRequests().standing(NOW) == ""


def test_a_request_stands_until_it_ages_out():
    requests = StopRequests()
    assert requests.offer(request(), NOW + 10 * MS) == ""
    assert requests.standing(NOW + 499 * MS) == "camera_node is silent"
    assert requests.standing(NOW + 500 * MS) == ""


def test_a_request_stands_until_its_watch_takes_it_back():
    requests = StopRequests()
    requests.offer(request(), NOW)
    assert requests.offer(request("", sent_ms=10_001), NOW + MS) == ""
    assert requests.standing(NOW + MS) == ""


@pytest.mark.parametrize(
    ("bad", "refusal"),
    [
        pytest.param(request(sent_ms=10_001), "0.001 s in the future", id="future"),
        pytest.param(request(sent_ms=9_500), "0.500 s ago", id="old"),
        pytest.param(request("x" * 501), "501 characters, at most 500", id="long"),
        pytest.param(request("", session=2), "session 2 takes back", id="another's"),
        pytest.param(request("", sent_ms=9_899), "older than the stop", id="overtaken"),
    ],
)
def test_fault_a_request_that_is_wrong_is_refused_and_counted(bad, refusal):
    requests = StopRequests()
    requests.offer(request("first", sent_ms=9_900), NOW)
    assert refusal in requests.offer(bad, NOW)
    assert requests.refused == 1
    assert requests.standing(NOW) == "first"


def test_fault_a_second_watch_can_ask_for_a_stop_as_well():
    requests = StopRequests()
    requests.offer(request(""), NOW)
    assert requests.offer(request("second", session=2), NOW) == ""
    assert requests.standing(NOW) == "second"


@given(
    reason=st.text(max_size=600),
    sent_ns=st.integers(-(2**63), 2**63 - 1),
    session=st.integers(0, 2**64 - 1),
)
def test_fault_whatever_stands_is_recent_and_readable(reason, sent_ns, session):
    requests = StopRequests()
    if requests.offer(StopRequest(session, sent_ns, reason), NOW) == "":
        assert 0 <= NOW - sent_ns < 500 * MS
        assert requests.standing(NOW) == reason
    else:
        assert requests.standing(NOW) == ""
