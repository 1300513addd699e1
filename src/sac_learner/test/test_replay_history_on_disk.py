"""The buffer against a history, where each resume goes through the log on disk.

Its files are so small that the oldest are deleted all the time.
"""

import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from replay_history import History, assert_it_happened, drawn, filled

from sac_learner.core import replay_log
from sac_learner.core.replay_buffer import Added
from sac_learner.core.replay_log import ReplayLog
from sac_learner.core.segment_file import segment_path

FILE_BYTES = 15_000  # about five steps
events = st.one_of(
    st.tuples(
        st.just("step"),
        st.integers(1, 3),
        st.sampled_from(["", "", "", "", "limit", "task"]),
    ),
    st.tuples(st.sampled_from(["gap", "restart", "resume", "twice"])),
)


class Learner:
    """A buffer and its log, as the learner uses them."""

    def __init__(self, folder, capacity, n_step):
        self._folder, self._capacity, self._n_step = folder, capacity, n_step
        self.resume()

    def resume(self):
        """Begin anew from what lies on disk."""
        self._log = ReplayLog(self._folder, self._capacity)
        problems = []
        self.buffer = filled(self._log.read(problems), self._capacity, self._n_step)
        self.buffer.transitions_added = self._log.durable.env_steps
        assert problems == []

    def take(self, step):
        if self.buffer.add(step) is not Added.DUPLICATE:
            self._log.append(step, self.buffer.transitions_added)
            self._log.flush()

    def close(self):
        self._log.close()


@settings(max_examples=40, deadline=None)
@given(
    script=st.lists(events, min_size=30, max_size=90),
    capacity=st.integers(1, 20),
    n_step=st.integers(1, 3),
)
def test_what_is_drawn_after_a_resume_happened_and_nothing_is_forgotten(
    script, capacity, n_step
):
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(replay_log, "SEGMENT_BYTES", FILE_BYTES),
    ):
        history, learner = History(), Learner(Path(folder), capacity, n_step)
        for kind, *rest in script:
            if kind == "step":
                learner.take(history.send(*rest, arrives=True))
            elif kind == "gap":
                history.send(1, "", arrives=False)
            elif kind == "restart":
                history.restart()
            elif kind == "twice" and history.arrived:
                learner.take(history.arrived[-1])
            elif kind == "resume":
                before = len(learner.buffer)
                learner.close()
                learner.resume()
                assert len(learner.buffer) == before
            if len(learner.buffer):
                batch = drawn(learner.buffer, seed=len(history.moments))
                newest = history.transitions()[-len(learner.buffer) :]
                assert_it_happened(batch, history, n_step, newest)
        learner.close()
        oldest_begins_at_1 = segment_path(Path(folder), 1).exists()
        assert oldest_begins_at_1 or len(history.transitions()) > capacity
        assert not oldest_begins_at_1 or len(history.transitions()) <= capacity + 20
