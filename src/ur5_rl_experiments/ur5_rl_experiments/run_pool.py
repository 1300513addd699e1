"""Runs of a table in parallel processes: finished ones are kept, a failed one is told.

Each run has a folder of its own and writes its result last, so a table can be interrupted
at any moment and goes on with the runs that have none. The result holds what was run: a
folder with another configuration in it is another run's, and stays as it is. Processes
may share a table: who has a run holds its folder, the others take the next.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path

from sac_learner.core.process_environment import MALLOC_ENVIRONMENT
from sac_learner.core.run_lock import RunLock
from ur5_rl_experiments.core.run_result import (
    RunResult,
    changed,
    config_to_json,
    result_from_json,
)
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.worker import RESULT

SPECIFICATION = "specification.json"
LOG = "log.txt"


class RunPool:
    """Runs a table's missing runs, `jobs` at a time. Use it as a context manager.

    Where the block ends, by Ctrl-C too, nothing more is started and what runs is ended.
    """

    def __init__(self, folder: Path, jobs: int, commit: str) -> None:
        self.folder = folder
        self._commit = commit
        self._threads = ThreadPoolExecutor(jobs)
        self._lock = threading.Lock()  # of the two below
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopping = False

    def __enter__(self) -> "RunPool":
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._is_stopping = True
            for process in self._running:
                process.terminate()
        self._threads.shutdown(cancel_futures=True)

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs without a result, in order.

        Raises:
            ValueError: names a folder that holds the result of another run, or one that
                cannot be read: it may be of another version, and is not written over.
        """
        _, others = finished(self.folder, runs)
        if others:
            raise ValueError(f"{in_short(others)}; name another folder")
        return [run for run in runs if not (self.folder / run.name / RESULT).is_file()]

    def execute(self, runs: Sequence[Run]) -> list[str]:
        """Run what is missing; return what failed and why, a line each."""
        missing, failures = self.missing(runs), []
        tasks = {self._threads.submit(self._run, run): run for run in missing}
        for count, task in enumerate(as_completed(tasks), start=1):
            problem, name = task.result(), tasks[task].name
            print(f"{count}/{len(missing)} {name}: {problem or 'done'}", flush=True)
            if problem:
                failures.append(f"{name}: {problem}")
        return failures

    def _run(self, run: Run) -> str:
        """Run one, unless somebody has meanwhile; return what went wrong, or ""."""
        folder = self.folder / run.name
        try:
            with closing(RunLock(folder)):
                if not self.missing([run]):
                    return ""
                self._specify(run, folder)
                code = self._work(folder)
            return "" if code == 0 else _cause(code, folder / LOG)
        except (OSError, ValueError) as error:
            return f"{type(error).__name__} {error}"

    def _specify(self, run: Run, folder: Path) -> None:
        """Write what a worker reads."""
        values = {
            "group": run.group,
            "commit": self._commit,
            "config": json.loads(config_to_json(run.config)),
        }
        (folder / SPECIFICATION).write_text(json.dumps(values, indent=1))

    def _work(self, folder: Path) -> int:
        """Let a worker do what is specified; return its exit code."""
        with open(folder / LOG, "wb") as log, self._lock:
            if self._is_stopping:
                return -signal.SIGTERM
            process = subprocess.Popen(
                (sys.executable, "-m", "ur5_rl_experiments.worker",
                 str(folder / SPECIFICATION), str(folder)),
                env={**os.environ, **MALLOC_ENVIRONMENT, "OMP_NUM_THREADS": "1"},
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self._running.add(process)
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code


def finished(folder: Path, runs: Sequence[Run]) -> tuple[list[RunResult], list[str]]:
    """Return the results of what is finished of these runs, in their order.

    And a line about each whose folder holds something else: another run, the same cell
    and seed with another configuration, or a result that cannot be read.
    """
    found, others = [], []
    for run in runs:
        path = folder / run.name / RESULT
        if not path.is_file():
            continue
        try:
            found.append(_read(path, run))
        except ValueError as error:
            others.append(f"{path.parent} holds {error}")
    return found, others


def in_short(lines: Sequence[str]) -> str:
    """Return the first of some lines, and how many more there are."""
    return lines[0] + (f" (and {len(lines) - 1} more)" if lines[1:] else "")


def _read(path: Path, run: Run) -> RunResult:
    """Return the result of a run.

    Raises:
        ValueError: the file holds something else, which the message says.
    """
    try:
        result = result_from_json(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"an unreadable {path.name}: {error}") from None
    if changes := changed(run.config, result.config):
        raise ValueError(f"another run: {', '.join(changes)}")
    return result


def _cause(code: int, log: Path) -> str:
    """Return the end of a failed run in one line."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"exit code {code}: {lines[-1] if lines else 'no output'} (see {log})"
