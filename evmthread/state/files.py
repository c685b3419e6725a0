"""Files that are there whole or not at all. Knows nothing of what is in them."""

import os
from pathlib import Path


def unfinished_name(path: Path) -> Path:
    """Where a file is written before it gets its name; in the same folder."""
    return path.with_name(path.name + ".new")


def publish(unfinished: Path, path: Path) -> None:
    """Gives a finished file its name. Content and name are on the disk when it returns. Raises OSError."""
    _sync(unfinished)
    unfinished.replace(path)
    _sync(path.absolute().parent)  # names are in the folder, and outlast a power cut once it is synced


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
