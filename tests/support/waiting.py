"""Waiting for something that other processes do: poll with a deadline, never sleep and hope."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    within: float = 60,
    what: str | Callable[[], str] = "the condition",
) -> None:
    """Returns as soon as the condition holds.

    Args:
        condition: asked again and again; plain or async.
        within: seconds; an AssertionError after that.
        what: named in the error.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what if isinstance(what, str) else what()} did not come true within {within} s")
        await asyncio.sleep(0.02)
