"""Drops what was projected, so that it is built anew from the events."""

from chassis.database import DISTRICT, Database
from services.cabinet.queries import projection
from services.cabinet.subscribers import PROJECTION


async def drop_read_model(database: Database) -> None:
    """Empties the read model and the memory of what was applied, in one transaction.

    Accounts, sign-ins and acknowledgements are the cabinet's own facts and stay. The service must be stopped, its
    consumer group set back to the beginning, and the owners asked to replay what the broker no longer has. Until then
    nothing is shown, since no consent is known.
    """
    async with database.transaction(DISTRICT) as conn:
        await projection.empty_read_model(conn, PROJECTION)
