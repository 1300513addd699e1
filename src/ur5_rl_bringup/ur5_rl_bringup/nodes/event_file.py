"""TensorBoard's event files, written in the thread that has the points."""

import math
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboardX import RecordWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

FLUSH_S = 10.0
VERSION = "brain.Event:2"  # the first record of every file


class EventFile:
    """Curves in a folder. Owned by one thread.

    A disk that refuses costs points, and a line that says so, but neither time nor the
    run. (tensorboardX's own writer is a thread that ends at the first error; whoever has
    another eleven points then waits for it for ever.) After a refusal a new file begins:
    nobody reads what stands behind half a record, but TensorBoard reads the files of a
    folder one after the other.

    Args:
        folder: Where the files go; made if it is not there.
        say: Prints one line.

    Attributes:
        points_lost: Those that may not have come to the disk.

    Raises:
        OSError: no file can be begun there.

    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.points_lost = 0
        self._folder, self._say = folder, say
        self._open_records, self._event, self._summary = _types_without_torch()
        self._waiting: list[Event] = []  # at most those of FLUSH_S
        self._due_s = -math.inf
        self._is_refused = False
        self._records: RecordWriter | None = None
        self._files = 0
        self._is_on_disk = False  # at least the first record of the file
        try:
            self._write([])
        except OSError:
            self._leave_file()
            raise

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Take one point of a curve; `tick` and `close` write it."""
        value_of_name = self._summary.Value(tag=name, simple_value=value)
        summary = self._summary(value=[value_of_name])
        self._waiting.append(
            self._event(wall_time=time.time(), step=step, summary=summary)
        )

    def tick(self, now_s: float) -> None:
        """Write what waits, at most every `FLUSH_S` [s]; call it a few times a second."""
        if self._waiting and now_s >= self._due_s:
            self._due_s = now_s + FLUSH_S
            self._write_or_say_why()

    def close(self) -> None:
        """Write the rest."""
        if self._waiting:
            self._write_or_say_why()
        self._leave_file()

    def _write_or_say_why(self) -> None:
        """Write what waits, or drop it: the disk may refuse for hours."""
        events, self._waiting = self._waiting, []
        try:
            self._write(events)
        except OSError as error:
            self.points_lost += len(events)
            self._leave_file()
            if not self._is_refused:
                self._say(f"| wait | curves not written: {error}")
            self._is_refused = True
            return
        if self._is_refused:
            lost = self.points_lost
            self._say(f"| wait | curves are written again, {lost} points are lost")
        self._is_refused = False

    def _write(self, events: list["Event"]) -> None:
        if self._records is None:
            self._records = self._open_records(str(self._new_path()))
            first = self._event(wall_time=time.time(), file_version=VERSION)
            events = [first, *events]
        for event in events:
            self._records.write(event.SerializeToString())
        self._records.flush()
        self._is_on_disk = True

    def _new_path(self) -> Path:
        """Return the name of a file that is read after all that are there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files, self._is_on_disk = self._files + 1, False
        begun_s, host, pid = int(time.time()), socket.gethostname(), os.getpid()
        name = f"events.out.tfevents.{begun_s}.{host}.{pid}.{self._files:06d}"
        return self._folder / name

    def _leave_file(self) -> None:
        """Close the file, and remove it where nothing of it is surely on the disk."""
        if self._records is None:
            return
        path = Path(self._records.path)
        with suppress(OSError):  # it tries once more to write what it holds
            self._records.close()
        with suppress(OSError):
            if not self._is_on_disk:
                path.unlink()
        self._records = None


def _types_without_torch() -> tuple[type["RecordWriter"], type["Event"], type["Summary"]]:
    """Return what writes records and what a record is made of.

    tensorboardX imports torch where it can, for tensors that are never given to it here:
    2 s and 250 MB. A module that is None cannot be imported; tensorboardX does without.
    """
    was_loaded = "torch" in sys.modules
    if not was_loaded:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from tensorboardX import RecordWriter  # noqa: PLC0415
        from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboardX.proto.summary_pb2 import Summary  # noqa: PLC0415
    finally:
        if not was_loaded:
            del sys.modules["torch"]
    return RecordWriter, Event, Summary
