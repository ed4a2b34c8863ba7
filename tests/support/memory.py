"""How much memory a process of a test has held at most."""

from pathlib import Path


def peak_kib() -> int:
    """The peak of this program's resident memory, in KiB.

    From the kernel's own record of it: `ru_maxrss` also remembers what the process held that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1])
