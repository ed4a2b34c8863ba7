"""Numbers that a workbook shows as dates (ECMA-376 part 1, 18.17.4.1 and 18.8.30)."""

import re
from datetime import date, datetime, time, timedelta

from services.gradebook.exchange.sheets.grid import Trouble

_EPOCH_1900 = datetime(1899, 12, 30)  # noqa: DTZ001 - the calendar of a sheet has no time zone
_EPOCH_1900_EARLY = datetime(1899, 12, 31)  # noqa: DTZ001
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_FICTION = 60
"""29 February 1900, which the 1900 system counts and no calendar has."""
_LAST = 2_958_466

_BUILT_IN = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]hms]*\]', re.IGNORECASE)
_OF_A_DATE = re.compile(r"[dmyhs]|[дмгчс]", re.IGNORECASE)


def shows_a_date(format_id: int, code: str | None) -> bool:
    """Whether a number format shows dates or times.

    Args:
        format_id: its number in the workbook.
        code: what a format of the workbook's own looks like; None for a built-in one.
    """
    if code is None:
        return format_id in _BUILT_IN
    # Only the part for positive numbers; `General` and `Основной` have letters of dates in them.
    positive = code.split(";", 1)[0]
    if positive.strip().casefold() in {"general", "основной", "@"}:
        return False
    return _OF_A_DATE.search(_QUOTED.sub("", positive)) is not None


def from_serial(serial: float, *, system_1904: bool) -> date | datetime | time | Trouble:
    """The date, the instant or the time of day that a number stands for.

    Args:
        serial: days since the epoch of the workbook's system.
        system_1904: the system in which day 0 is 1 January 1904.
    """
    if not 0 <= serial < _LAST:
        return Trouble.BAD_DATE
    if serial < 1 and serial != 0:
        return (_EPOCH_1904 + timedelta(seconds=round(serial * 86_400) % 86_400)).time()
    if system_1904:
        epoch = _EPOCH_1904
    elif int(serial) == _FICTION or serial == 0:
        return Trouble.BAD_DATE
    else:
        epoch = _EPOCH_1900_EARLY if serial < _FICTION else _EPOCH_1900
    instant = epoch + timedelta(seconds=round(serial * 86_400))
    return instant.date() if instant.time() == time() else instant
