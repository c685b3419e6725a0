"""Files that are there whole or not at all. Knows nothing of what is in them."""

import os
from pathlib import Path


def unfinished_name(path: Path) -> Path:
    """Where a file is written before it gets its name; in the same folder."""
    return path.with_name(path.name + ".new")


def publish(unfinished: Path, path: Path) -> None:
    """Gives a file, whose content is on the disk, its name; that is on the disk too when this returns."""
    unfinished.replace(path)
    # A name is in the folder, and outlasts a power cut once that is synced.
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
