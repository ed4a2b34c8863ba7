"""How the planner is to join a batch with the tables."""

from chassis.database import Connection

# Row-level security hides from the planner how many rows a scope may see: it guesses one in a hundred, and then prefers to
# read a whole table, or to compare every row with every element of the batch. A batch has a few hundred keys and the tables
# have millions of rows, so looking each key up in an index is right always.
_PREFER_INDEXES = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""


async def prefer_indexes(conn: Connection) -> None:
    """Has every statement of this transaction look its keys up in indexes."""
    await conn.execute(_PREFER_INDEXES)
