"""`./ur5rl fuzz` without a name: both with the same options, one report."""

import json
from pathlib import Path

import pytest

from ur5_rl_experiments import commands
from ur5_rl_experiments.fuzz import files, messages
from ur5_rl_experiments.fuzz.command import main


@pytest.fixture
def heard(monkeypatch):
    """Let both only note their options and write a report; files fail."""
    heard = {}

    def standing_in(module, name, code):
        def main(_root, words):
            options = heard[name] = module._parser().parse_args(words)
            options.report.write_text(json.dumps({"is_good": code == 0}))
            return code

        monkeypatch.setattr(module, "main", main)

    standing_in(files, "files", 1)
    standing_in(messages, "messages", 0)
    return heard


def test_both_get_the_options_and_one_report_holds_both(heard, tmp_path):
    report = tmp_path / "new folder" / "both.json"
    words = ["--number", "7", "--seed", "3", "--report", str(report)]
    assert main(Path(), words) == 1  # one failed; the other ran all the same
    assert [(o.number, o.seed) for o in heard.values()] == [(7, 3)] * 2
    found = json.loads(report.read_text())
    assert found == {"files": {"is_good": False}, "messages": {"is_good": True}}


def test_without_options_each_takes_its_own(heard):
    assert main(Path(), []) == 1
    assert (heard["files"].number, heard["messages"].number) == (1000, 10_000)


@pytest.mark.parametrize("word", ["nothing", "--topics", "--num", "-x"])
def test_fault_what_is_not_known_is_one_clear_line(heard, capsys, word):
    assert commands.main(Path(), ["fuzz", word]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"unknown {word}" in said and "files, messages" in said
    assert heard == {}


def test_fault_a_name_after_the_options_is_told_where_it_belongs(heard, capsys):
    assert commands.main(Path(), ["fuzz", "--seed", "3", "files"]) == 2
    assert "as the first word, files, messages" in capsys.readouterr().err
    assert heard == {}


@pytest.mark.parametrize("words", [["--number", "x"], ["--seed"], ["--number", "1.5"]])
def test_fault_a_value_that_does_not_fit_is_named(heard, capsys, words):
    with pytest.raises(SystemExit, match="2"):
        main(Path(), words)
    assert f"argument {words[0]}" in capsys.readouterr().err
    assert heard == {}


def test_fault_no_mutation_at_all_is_refused(capsys):
    assert commands.main(Path(), ["fuzz", "--number", "0"]) == 2
    assert "--number must be at least 1, got 0" in capsys.readouterr().err


def test_the_help_tells_both(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(Path(), ["--help"])
    said = capsys.readouterr().out
    assert "  files    mutated files" in said and "  messages mutated messages" in said
    assert "--report FILE.json" in said
