"""Dropping the read model, so that it is built anew from the events."""

from chassis.database import DISTRICT, Database
from services.extracts.queries import read_model
from services.extracts.subscribers import CONSUMER


async def drop_read_model(database: Database) -> None:
    """Empties names and results, and forgets which events made them.

    Own facts (requests, sheets, numbers, the register) stay. Whoever calls this resets the consumer group's offsets and
    asks the owners to replay. Meanwhile what is not rendered waits, and what lies in the print queue can be printed.
    """
    async with database.transaction(DISTRICT) as conn:
        await read_model.drop(conn, CONSUMER)
