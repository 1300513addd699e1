"""The table and the paired comparison: numbers by hand."""

import json
import math

import pytest

from ur5_rl_experiments.core.comparison import (
    Entry,
    as_json,
    compare,
    header,
    row,
    sentences,
)
from ur5_rl_experiments.core.evaluation import EpisodeResult


def entry(name, *returns, seconds=1.25):
    return Entry(
        name,
        tuple(
            EpisodeResult(
                return_sum=value, steps=100, seconds_to_centre=seconds,
                tracking_error_px=3.25, limited_steps=2, final_mask_px=400.0,
            )
            for value in returns
        ),
    )  # fmt: skip


def test_a_row_stands_under_its_header():
    text = row(entry("run/00000100", 100.0, 300.0), 14)
    assert len(text) == len(header(14))
    assert text.split() == [
        "run/00000100", "200.0", "+-", "100.0", "[-1070.6,", "1470.6]",
        "100.0", "100", "%", "[34,", "100]", "1.25", "s", "3.2", "px", "4",
    ]  # fmt: skip


def test_what_is_not_known_is_a_dash():
    text = row(entry("x", 100.0, seconds=math.inf), 2)
    assert "100.0 +- -" in text and "- s" in text and " 0 % [0, 79]" in text


def test_the_comparison_is_with_the_best_candidate_and_in_pairs():
    entries = [
        entry("early", 10.0, 110.0, 60.0),
        entry("late", 20.0, 120.0, 70.0),  # 10 more in each episode, however they spread
        entry("servo", 290.0, 300.0, 310.0),
    ]
    result = compare(entries, candidates=2)
    assert result.best == 1
    assert [d.name for d in result.differences] == ["early", "servo"]
    early, servo = result.differences
    assert (early.mean, early.interval) == (-10.0, (-10.0, -10.0))
    assert servo.mean == 230.0
    text = "\n".join(sentences(result))
    assert "that of late" in text and "-10.0 [-10.0, -10.0]" in text
    assert "no clear difference" not in text
    assert compare(entries, candidates=3).best == 2


def test_what_may_be_chance_is_called_so():
    result = compare([entry("a", 1.0, 5.0, 3.0), entry("b", 5.0, 1.0, 2.9)], candidates=2)
    assert sentences(result)[1].endswith("no clear difference")


def test_one_episode_each_separates_nobody():
    result = compare([entry("a", 1.0), entry("b", 300.0)], candidates=2)
    assert sentences(result)[1].endswith("no clear difference")


def test_one_policy_is_compared_with_nobody():
    result = compare([entry("a", 1.0)], candidates=1)
    assert result.differences == () and sentences(result) == []


def test_two_of_the_same_name_stay_two():
    assert len(compare([entry("a", 1.0), entry("a", 2.0)], candidates=2).differences) == 1


def test_the_report_is_json_without_nan():
    result = compare([entry("a", 1.0, seconds=math.inf), entry("b", 2.0)], candidates=2)
    text = json.dumps(as_json(result), allow_nan=False)
    values = json.loads(text)
    assert values["best"] == "b"
    first = values["policies"][0]
    assert first["standard_error"] is None and first["seconds_to_centre"] is None
    assert first["results"][0]["return_sum"] == 1.0
    assert values["differences_to_best"] == [
        {"name": "a", "mean": -1.0, "interval": [None, None]}
    ]


def test_fault_entries_of_different_episodes_are_not_compared():
    with pytest.raises(ValueError, match="shorter|longer"):
        compare([entry("a", 1.0), entry("b", 1.0, 2.0)], candidates=2)
