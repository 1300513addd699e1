"""What a child prints, kept in a file for as long as the disk takes it."""

from pathlib import Path


class ChildLog:
    """The log file of one child. A full disk costs lines of it, never the child.

    Lines that could not be kept are counted, and the count is the first line that can.
    """

    def __init__(self, path: Path) -> None:
        """Append to `path`.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        # Unbuffered: what could not be written must not wait to fail once more.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  closed by close
        self._missed = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, line: bytes) -> str:
        """Keep a line; return what a person should hear of it, "" mostly."""
        try:
            if self._missed:
                self._put(b"[supervisor] %d lines are missing here\n" % self._missed)
                self._missed = 0
            self._put(line)
        except OSError as error:
            self._missed += 1
            if self._missed == 1:
                return f"cannot write {self._path}: {error.strerror}"
        return ""

    def _put(self, line: bytes) -> None:
        """Write all of a line or, where only a part finds room, nothing.

        Raises:
            OSError: there is no room.
        """
        end = self._file.seek(0, 2)
        try:
            written = self._file.write(line)
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            self._file.truncate(end)
            raise
