"""The bench of the limits drives every adversary, and notices what passes a limit."""

import json

import pytest

from ur5_rl_env.core.ramp import STILL
from ur5_rl_env.core.safety import UNLIMITED, Limited
from ur5_rl_experiments.bench import limits as bench
from ur5_sim.core.adversaries import ADVERSARIES


def test_every_policy_is_driven_in_every_condition(tmp_path):
    report = tmp_path / "limits.json"
    code = bench.main(tmp_path, ["--steps", "400", "--report", str(report)])
    result = json.loads(report.read_text())
    rows = result["rows"]
    assert {row["policy"] for row in rows} == set(ADVERSARIES)
    assert len(rows) == 4 * len(ADVERSARIES)
    assert all(row["cycles"] == 500 for row in rows)
    assert code == 0 and all(row["meets_bar"] for row in rows)
    assert result["cost"]["free"]["calls"] > 1000 < result["cost"]["changed"]["calls"]
    assert 0.0 < result["cost"]["changed"]["p50_us"] < 1e3


def test_fault_limits_that_do_not_limit_are_noticed(tmp_path, monkeypatch, capsys):
    def unlimited(wanted, *_, **__):
        return Limited(wanted, UNLIMITED, STILL, is_step=True)

    monkeypatch.setattr(bench, "limited_motion", unlimited)
    assert bench.main(tmp_path, ["--steps", "400"]) == 1
    assert "missed" in capsys.readouterr().out


def test_fault_too_few_steps_are_refused(tmp_path):
    with pytest.raises(ValueError, match="steps must be at least 4, got 3"):
        bench.main(tmp_path, ["--steps", "3"])
