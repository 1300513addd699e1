"""The virtual robot's own joint positions and speeds, all the time."""

import threading
import time
from bisect import bisect_right
from collections import deque
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from types import TracebackType

import numpy as np

from ur5_rl_experiments.core.motion_record import MotionRecord
from ur5_rl_ros.shared_array import SharedArrayReader

POLL_S = 0.002
KEPT = 125 * 120  # samples: two minutes


class PoseRecorder:
    """One thread that copies each pose which the controller writes."""

    def __init__(self, path: Path) -> None:
        """Start to record.

        Raises:
            OSError, ValueError: the controller has written nothing yet.
        """
        self._path = path
        self._reader = SharedArrayReader(path)
        self._samples: deque[tuple[int, np.ndarray]] = deque(maxlen=KEPT)
        self._is_over = False
        self._thread = threading.Thread(target=self._record, name="pose recorder")

    def __enter__(self) -> "PoseRecorder":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        self._thread.join(timeout=2.0)

    def _record(self) -> None:
        newest_ns = 0
        while not self._is_over:
            with suppress(OSError, ValueError, TimeoutError):
                if self._reader.is_replaced:
                    self._reader = SharedArrayReader(self._path)
                pose, steady_ns = self._reader.read()
                if steady_ns != newest_ns:
                    newest_ns = steady_ns
                    self._samples.append((steady_ns, pose))
            time.sleep(POLL_S)

    def since(self, start_ns: int) -> MotionRecord:
        """Return the motion from `start_ns` on; it begins with the sample in force then.

        Of that alone: to turn two minutes into arrays would stop what hears for 20 ms.
        """
        samples = list(self._samples)
        later = bisect_right(samples, start_ns, key=itemgetter(0))
        samples = samples[max(0, later - 1) :]
        stamps = np.array([stamp for stamp, _ in samples], np.int64)
        poses = np.array([pose for _, pose in samples]).reshape(-1, 2, 6)
        return MotionRecord(stamps, poses[:, 0], poses[:, 1])

    @property
    def speed(self) -> float:
        """Speed of the fastest joint now [rad/s]."""
        return float(np.abs(self._samples[-1][1][1]).max()) if self._samples else 0.0
