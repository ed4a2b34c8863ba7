"""Moves the clock of an embedded installation, so that a day can be shown in minutes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import asyncpg

_ORDER: Final = ("consent", "gradebook", "publisher", "extracts", "cabinet")
"""The registry of consents first: a view of consents may be younger than its reader's clock, never older than it."""

_REPLACE: Final = """
CREATE OR REPLACE FUNCTION clock_shift() RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT make_interval(secs => {seconds}) $$
"""


async def shift(owner_urls: Mapping[str, str], ahead: timedelta) -> None:
    """Lets all services' clocks run ahead of the server's.

    Args:
        owner_urls: the schema owner's address of each service's database.
        ahead: by how much in all, not in addition to an earlier shift.
    """
    for service in _ORDER:
        await shift_one(owner_urls[service], ahead)


async def shift_one(owner_url: str, ahead: timedelta) -> None:
    """Lets the clock of one service's database run ahead of the server's."""
    conn = await asyncpg.connect(owner_url)
    try:
        await conn.execute(_REPLACE.format(seconds=float(ahead.total_seconds())))
    finally:
        await conn.close()
