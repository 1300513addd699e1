"""A person's stop, by service or by button, kept where no end of a process undoes it."""

import os
from pathlib import Path


class StopFile:
    """Holds why a person has stopped the arm, until `recover_arm`.

    Args:
        path: Of the file; "" for no file: a new process then has forgotten the stop.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None

    def read(self) -> str:
        """Return why the arm was stopped, "" if it was not.

        Raises:
            OSError: it cannot be read.
        """
        if self._path is None or not self._path.exists():
            return ""
        return self._path.read_text(errors="replace").strip() or "stopped"

    def write(self, cause: str) -> str:
        """Keep `cause`; return what went wrong, or ""."""
        if self._path is None:
            return ""
        part = self._path.with_suffix(".part")
        try:
            part.write_text(cause)
            os.replace(part, self._path)
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        return ""

    def remove(self) -> str:
        """Forget the stop; return what went wrong, or ""."""
        try:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        return ""
