"""How the planner is to join a batch with the tables."""

from chassis.database import Connection

# A batch has a few hundred keys and the tables have millions of rows, so looking each key up in an index is always
# right. The planner does not always see that: row-level security hides from it how many rows there are, and a plan that
# was made while a table was small is kept when it grows.
_PREFER_INDEXES = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""


async def prefer_indexes(conn: Connection) -> None:
    """Has every statement of this transaction look its keys up in indexes."""
    await conn.execute(_PREFER_INDEXES)
