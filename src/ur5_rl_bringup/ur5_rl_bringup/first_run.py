"""The checklist before an arm is moved for the first time, from where it is written."""

from pathlib import Path

SOURCE = Path("docs") / "safety.md"
TITLE = "First run on a real arm"


def checklist(root: Path) -> list[str]:
    """Return the lines of the checklist; where to look for it, if it is not there."""
    path = root / SOURCE
    lines = section(path.read_text(), TITLE) if path.is_file() else []
    return lines or [f"checklist: '{TITLE}' in {SOURCE} of the source"]


def section(text: str, title: str) -> list[str]:
    """Return the lines under the heading `title` of a Markdown text, [] without it."""
    lines = iter(text.splitlines())
    level = next((_level(line) for line in lines if _heading(line) == title), 0)
    found: list[str] = []
    for line in lines:
        if 0 < _level(line) <= level:
            break
        found.append(line)
    return "\n".join(found).strip("\n").splitlines()


def _level(line: str) -> int:
    """Return the level of a heading, 0 if the line is none."""
    marks = len(line) - len(line.lstrip("#"))
    return marks if line[marks : marks + 1] == " " else 0


def _heading(line: str) -> str:
    return line.lstrip("#").strip() if _level(line) else ""
