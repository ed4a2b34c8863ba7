"""Files full of personal data: nobody but their owner may read them, from the first byte on."""

import os
from pathlib import Path
from typing import BinaryIO


def open_private(path: Path) -> BinaryIO:
    """A new file in the place of one of that name, whatever that one's rights were or where it led."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def write_private(path: Path, content: bytes) -> None:
    """Writes a whole file."""
    with open_private(path) as file:
        file.write(content)
