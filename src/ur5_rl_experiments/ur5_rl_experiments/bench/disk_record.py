"""What a killed learner has left on disk, held against what was sent and acknowledged."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from sac_learner.core.checkpoint import checkpoint_paths, newest_checkpoint, replay_dir
from sac_learner.core.config import LearnerConfig
from sac_learner.core.sac import Sac
from sac_learner.core.segment_file import read_steps, segment_paths
from ur5_rl_experiments.bench.numbered_steps import is_right


class Counters(NamedTuple):
    """Of the newest whole checkpoint; none may ever go back."""

    updates: int = 0
    env_steps: int = 0
    next_version: int = 0


@dataclass(frozen=True)
class Findings:
    """What is on disk.

    Attributes:
        stored: Sequence numbers on disk.
        twice: How many of them are there more than once.
        wrong: Time steps whose content is not what was sent.
        torn: Unfinished writes at the end of a file.
        counters: Of the newest checkpoint.
        problems: What else is not as it must be.
    """

    stored: frozenset[int]
    twice: int
    wrong: int
    torn: int
    counters: Counters
    problems: tuple[str, ...]


class DiskRecord:
    """Reads a run directory while no learner runs, and changes nothing in it."""

    def __init__(self, run_dir: Path, run_id: int, config: LearnerConfig) -> None:
        self._run_dir = run_dir
        self._run_id = run_id
        self._config = config
        self._known: dict[tuple[str, int], tuple[list[int], int]] = {}

    def read(self) -> Findings:
        """Return what is there now."""
        counted: Counter[int] = Counter()
        wrong, torn = 0, 0
        for path in segment_paths(replay_dir(self._run_dir)):
            sequences, wrong_here, torn_here = self._segment(path)
            counted.update(sequences)
            wrong, torn = wrong + wrong_here, torn + torn_here
        counters, problems = self._checkpoint()
        twice = sum(count > 1 for count in counted.values())
        return Findings(frozenset(counted), twice, wrong, torn, counters, problems)

    def _segment(self, path: Path) -> tuple[list[int], int, int]:
        """Return the sequence numbers in a file, how many steps are wrong, torn ends."""
        key = path.name, path.stat().st_size
        if key in self._known:
            return *self._known[key], 0
        problems: list[str] = []
        steps = [logged.step for logged in read_steps(path, problems)]
        wrong = sum(step.run_id != self._run_id or not is_right(step) for step in steps)
        found = [step.sequence for step in steps], wrong
        if not problems:
            self._known[key] = found
        return *found, len(problems)

    def _checkpoint(self) -> tuple[Counters, tuple[str, ...]]:
        """Load the newest checkpoint as a resume does; compare it with its file."""
        if not checkpoint_paths(self._run_dir):
            return Counters(), ()
        checkpoint, problems = newest_checkpoint(self._run_dir)
        state, sac = checkpoint.state, Sac(self._config)
        sac.load_state(checkpoint.tensors, state.updates)
        loaded = sac.state()
        for name in checkpoint.tensors.keys() | loaded.keys():
            left, right = checkpoint.tensors.get(name), loaded.get(name)
            if left is None or right is None or not torch.equal(left, right):
                problems.append(f"{checkpoint.path}: {name} is not equal once loaded")
        counters = Counters(state.updates, state.env_steps, state.next_version)
        return counters, tuple(problems)
