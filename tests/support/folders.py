"""Folders that a server under another user can reach, and that no killed run leaves behind for good."""

import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "sutki-test-"


def make(purpose: str) -> Path:
    """A new folder that bears our process id; those of processes that are gone are removed first."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).split("-", 1)[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and left.stat().st_uid == os.geteuid():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{purpose}-", dir=base))
    folder.chmod(0o755)  # PostgreSQL's own user walks through it; what is in it has its own mode
    return folder


def remove(folder: Path) -> None:
    """Removes it with everything in it."""
    shutil.rmtree(folder, ignore_errors=True)
