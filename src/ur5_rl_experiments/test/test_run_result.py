"""A result survives its way to disk and back."""

import json
import math
from dataclasses import replace

import pytest
from fake_results import result, table

from ur5_rl_experiments.core.reaching import reach_runs
from ur5_rl_experiments.core.run_result import (
    config_from,
    config_to_json,
    result_from_json,
    to_json,
)


def test_a_result_comes_back_as_it_was():
    there = result(table()[5])
    assert result_from_json(to_json(there)) == there


def never_centred():
    there = result(table()[5])
    never = replace(there.evaluation[0], seconds_to_centre=math.inf)
    return replace(there, evaluation=(never, *there.evaluation[1:]))


def refused(name):
    raise AssertionError(f"{name} is no JSON")


def test_a_dot_that_was_never_centred_is_null():
    text = to_json(never_centred())
    values = json.loads(text, parse_constant=refused)
    assert values["evaluation"][0]["seconds_to_centre"] is None
    assert result_from_json(text) == never_centred()


def test_what_older_results_hold_is_read():
    values = json.loads(to_json(never_centred()))
    values["evaluation"][0]["seconds_to_centre"] = math.inf
    del values["computes_in"]
    text = json.dumps(values)
    assert "Infinity" in text
    older = result_from_json(text)
    assert older == replace(never_centred(), computes_in="unknown")


def test_fault_a_return_that_is_no_number_is_not_written():
    with pytest.raises(ValueError, match="JSON"):
        to_json(replace(result(table()[0]), wall_s=math.nan))


@pytest.mark.parametrize("run", [*table(seeds=1), *reach_runs(1)], ids=lambda r: r.name)
def test_a_configuration_comes_back_as_it_was(run):
    assert config_from(json.loads(config_to_json(run.config))) == run.config


def test_overall_and_evaluation_are_means():
    there = result(table()[0], level=100.0)
    assert there.overall_return == pytest.approx(100.0)
    assert there.evaluation_return == pytest.approx(200.0)


@pytest.mark.parametrize("text", ["{}", "[]", '{"group": 1}', "not JSON"])
def test_fault_a_file_that_is_no_result_is_refused(text):
    with pytest.raises(ValueError):
        result_from_json(text)


def test_fault_an_unknown_field_is_refused():
    values = json.loads(to_json(result(table()[0])))
    values["surprise"] = 1
    with pytest.raises(ValueError, match="surprise"):
        result_from_json(json.dumps(values))
