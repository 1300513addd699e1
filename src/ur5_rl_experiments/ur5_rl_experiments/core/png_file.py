"""A figure on disk."""

import os
from pathlib import Path

from matplotlib.figure import Figure

DPI = 110


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG file; a reader sees the old picture or the new one, whole.

    Raises:
        OSError: it could not be written; an old file stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(partial, format="png", dpi=DPI)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
