"""The filmstrip: a few camera frames of the best recent episode."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ur5_rl_bringup.core.samples import Episode, Frame

RING_FRAMES = 200  # 20 s at the default period: of a longer episode the end is shown
RECENT_EPISODES = 20


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one episode. `times_s` count from its first observation."""

    number: int  # of the episode in this run
    return_sum: float
    times_s: tuple[float, ...]
    images: tuple[NDArray[np.uint8], ...]


class FilmReel:
    """Keeps the newest frames and cuts a film from them. Owned by one thread.

    The film kept is the best of the last 20 episodes or so: a better one replaces it,
    and so does any other once it is older than that.
    """

    def __init__(self, num_frames: int) -> None:
        self.film: Film | None = None
        self._num_frames = num_frames
        self._frames: deque[Frame] = deque(maxlen=RING_FRAMES)

    def add(self, frame: Frame) -> None:
        self._frames.append(frame)

    def on_episode(self, episode: Episode, number: int) -> None:
        """Keep the film of this episode, the run's `number`-th, if it is worth it."""
        kept = self.film
        is_better = (
            kept is None
            or episode.return_sum >= kept.return_sum
            or number - kept.number > RECENT_EPISODES
        )
        if episode.is_complete and is_better:
            self.film = self._cut(episode, number) or kept

    def _cut(self, episode: Episode, number: int) -> Film | None:
        """Return frames at even times; None where fewer than two were seen."""
        start_s = episode.stamp_s - episode.duration_s
        frames = [f for f in self._frames if start_s <= f.stamp_s <= episode.stamp_s]
        if len(frames) < 2:
            return None
        picks = np.linspace(0, len(frames) - 1, min(self._num_frames, len(frames)))
        chosen = [frames[round(pick)] for pick in picks]
        return Film(
            number=number,
            return_sum=episode.return_sum,
            times_s=tuple(frame.stamp_s - start_s for frame in chosen),
            images=tuple(frame.image for frame in chosen),
        )
