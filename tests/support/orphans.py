"""Whether a process is gone; a zombie that nobody has reaped counts as gone."""

import psutil  # type: ignore[import-untyped, unused-ignore]


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def family(pid: int) -> list[int]:
    """Ids of all descendants of a process."""
    return [each.pid for each in psutil.Process(pid).children(recursive=True)]
