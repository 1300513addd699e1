"""Which policy may follow which."""

import pytest

from sac_learner.core.policy_order import Announced, PolicyOrder

NEWEST = Announced(session=7, version=9, update_step=400, sha256="a")


def order():
    known = PolicyOrder()
    known.check(NEWEST)
    known.admit(NEWEST)
    return known


@pytest.mark.parametrize(
    "change",
    [
        {"version": 10},
        {"version": 12, "update_step": 500},
        {"version": 10, "session": 8, "update_step": 300},  # from an older checkpoint
    ],
)
def test_what_goes_on_upwards_may_follow(change):
    order().check(NEWEST._replace(sha256="b", **change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 8}, "version went back from 9 to 8"),
        ({"version": 9}, "version 9 came again with other contents"),
        ({"version": 10, "update_step": 399}, "update_step went back from 400 to 399"),
        ({"session": 8}, "version of a new learner must be above 9, got 9"),
        ({"session": 8, "version": 1}, "version of a new learner must be above 9, got 1"),
    ],
)
def test_fault_what_goes_back_is_refused_and_says_how(change, words):
    known = order()
    with pytest.raises(ValueError, match=words):
        known.check(NEWEST._replace(sha256="b", **change))
    assert known.is_confirmed_by(NEWEST)


@pytest.mark.parametrize(
    "change", [{"session": 8}, {"version": 10}, {"update_step": 401}, {"sha256": "b"}]
)
def test_only_the_very_same_policy_confirms(change):
    assert order().is_confirmed_by(NEWEST)
    assert not order().is_confirmed_by(NEWEST._replace(**change))
    assert not PolicyOrder().is_confirmed_by(NEWEST)
