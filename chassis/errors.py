"""Which failures pass by themselves (wait and try again) and which never will."""

import asyncio

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, RequestTimedOutError

TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
)
"""Database or broker away, out of resources, deadlocked or restarting."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later without anybody changing anything."""
    if isinstance(error, KafkaError):
        return bool(getattr(error, "retriable", False)) or isinstance(error, TRANSIENT)
    if isinstance(error, asyncpg.InterfaceError):
        if isinstance(error, ValueError):
            # A value that cannot be sent; its text quotes the value, whatever that says.
            return False
        # Wrong use of the driver is also an InterfaceError; only those about the connection pass by themselves.
        text = str(error)
        return "connection" in text or "pool" in text
    return isinstance(error, TRANSIENT)
