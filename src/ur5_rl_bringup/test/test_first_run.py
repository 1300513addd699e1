"""Where the checklist of a dry run comes from."""

from pathlib import Path

from ur5_rl_bringup.first_run import TITLE, checklist, section

ROOT = Path(__file__).parents[3]
TEXT = """# Safety

## First run on a real arm

1. Stand beside the emergency stop.
2. Then:

   ### not a heading, it is indented

### A part of it

3. Move.

## What is not covered

Everything else.
"""


def test_a_section_ends_at_the_next_heading_of_its_level():
    lines = section(TEXT, TITLE)
    assert lines[0] == "1. Stand beside the emergency stop."
    assert lines[-1] == "3. Move."
    assert "### A part of it" in lines


def test_a_section_may_be_the_last_one():
    assert section(TEXT, "What is not covered") == ["Everything else."]


def test_fault_a_section_that_is_not_there_is_empty():
    assert section(TEXT, "First run") == []
    assert section("", TITLE) == []


def test_fault_without_the_documents_it_says_where_they_are(tmp_path):
    (line,) = checklist(tmp_path)
    assert "safety.md" in line


def test_the_checklist_is_that_of_the_documents(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "safety.md").write_text(TEXT)
    assert checklist(tmp_path) == section(TEXT, TITLE)
