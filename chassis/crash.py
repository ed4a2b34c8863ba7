"""Named crash points: places between two effects where a test lets the process die at once."""

import os

from chassis.logging import log

CRASHED = 137
"""Exit code of a process that died at a crash point, as after SIGKILL."""

_armed = os.environ.get("SUTKI_CRASH_AT")


def crash_here(point: str) -> None:
    """Ends the process without any clean-up if `SUTKI_CRASH_AT` names this point; does nothing otherwise.

    Args:
        point: `<part>.<what has just happened>`, such as `relay.after_broker_ack`.
    """
    if _armed == point:
        log.warning("crash_point_reached", point=point)
        os._exit(CRASHED)
