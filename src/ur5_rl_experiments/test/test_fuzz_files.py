"""Damaged files: a quick part of `./ur5rl fuzz files`, and that its judge can fail."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ur5_rl_experiments.fuzz import file_trials, files, verdicts
from ur5_rl_experiments.fuzz.file_kinds import KINDS, FileKind, Loaded
from ur5_rl_experiments.fuzz.file_mutation import Damager
from ur5_rl_experiments.fuzz.unrest import unrest
from ur5_rl_experiments.fuzz.verdicts import Verdict

QUICK = 40
WANTED = Loaded("a\nb")


@pytest.fixture(scope="module")
def tallies():
    """Return what came of the damaged files by kind, two kinds at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {kind: pool.submit(files.tally, kind, QUICK, seed=1) for kind in KINDS}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_in_one_line_or_change_nothing(tallies, kind):
    tally = tallies[kind].result()
    assert tally.failures == []
    assert tally.counts.total() == QUICK
    assert tally.counts[Verdict.REFUSED] > QUICK / 2


def test_every_kind_can_be_asked_for():
    assert tuple(KINDS) == files.KIND_NAMES


def test_the_same_seed_damages_alike(tmp_path):
    said = []
    for name in ("a", "b"):
        path = tmp_path / name / "state.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"updates": 7, "limiter": [1, 2.5]}))
        damager = Damager(random.Random(5), tmp_path / "canary")
        said.append((damager.change_json(path), path.read_bytes()))
    assert said[0] == said[1]


def test_a_file_changes_for_as_long_as_the_unrest_lasts(tmp_path):
    path, seen = tmp_path / "array", set()
    path.write_bytes(bytes(5000))
    with unrest(path, random.Random(0)):
        while not {0, 5000} < seen:  # cut to nothing, to something, and whole again
            seen.add(path.stat().st_size)
    assert "unrest" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("found", "is_guarded", "verdict"),
    [
        (WANTED, True, Verdict.EQUAL),
        (Loaded("a"), True, Verdict.WRONG),
        (Loaded("a\nc", ("/x: torn",)), True, Verdict.WRONG),
        (Loaded("a", ("/x: torn",)), True, Verdict.REFUSED),
        (Loaded("a", ("somewhere",)), True, Verdict.UNCLEAR),
        (Loaded("a\nc"), False, Verdict.ANOTHER),
    ],
)
def test_what_was_read_is_judged(found, is_guarded, verdict):
    judged, _ = verdicts.of_value(found, WANTED, "/x", is_guarded=is_guarded)
    assert judged is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ValueError("/x/state.json: updates must be"), Verdict.REFUSED),
        (ValueError("updates must be"), Verdict.UNCLEAR),
        (ValueError("/x: one\ntwo"), Verdict.UNCLEAR),
        (MemoryError(), Verdict.CRASH),
        (IndexError("/x"), Verdict.CRASH),
    ],
)
def test_what_was_raised_is_judged(error, verdict):
    assert verdicts.of_error(error, "/x")[0] is verdict


def test_fault_a_reader_that_hangs_is_killed_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(files, "HANG_S", 1.0)
    monkeypatch.setattr(files, "WORKER", ("-c", HANGING_WORKER))
    tally = files.tally("state", 3, seed=0)
    assert [trial.verdict for trial in tally.failures] == [Verdict.HANG, Verdict.CRASH]
    assert tally.counts[Verdict.REFUSED] == 1


HANGING_WORKER = """
import json, os, sys, time
for index in range(int(sys.argv[3]), int(sys.argv[4])):
    begun = {"index": index, "damage": "none"}
    print(json.dumps(begun), flush=True)
    if index == 0: time.sleep(60.0)
    if index == 1: os.kill(os.getpid(), 9)
    print(json.dumps(begun | {"verdict": "refused", "why": ""}), flush=True)
"""


def test_fault_a_reader_that_unpickles_is_seen(tmp_path, monkeypatch, capsys):
    """The harness is no use if code that runs goes unnoticed."""
    import pickle  # noqa: PLC0415  nothing else here may

    def make(folder):
        (folder / "weights").write_bytes(pickle.dumps(1.0))
        return [folder / "weights"]

    def load(folder):
        return Loaded(str(pickle.loads((folder / "weights").read_bytes())))  # noqa: S301

    monkeypatch.setitem(KINDS, "pickle", FileKind(make, load))
    monkeypatch.setattr(file_trials, "_limit_memory", lambda: None)
    monkeypatch.setattr(Damager, "damage", Damager.replace_by_pickle)
    words = ["file_trials", "pickle", "0", "0", "3", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    file_trials.main()
    trials = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["verdict"] for t in trials if "verdict" in t] == ["executed"] * 3
