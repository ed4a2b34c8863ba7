"""The bare reference of mail: the shortest aiosmtplib program that sends the same mails over as many connections."""

import asyncio
import time
from email.message import EmailMessage
from email.policy import SMTP
from uuid import uuid4

import aiosmtplib


async def run(host: str, port: int, count: int, connections: int, body: bytes) -> float:
    """Sends; returns mails per second.

    Args:
        host: of the mail server.
        port: of it.
        count: how many mails.
        connections: kept, each used by one task.
        body: of each, as long as ours.
    """
    waiting: asyncio.Queue[int] = asyncio.Queue()
    for number in range(count):
        waiting.put_nowait(number)

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname=host, port=port) as client:
            while not waiting.empty():
                number = waiting.get_nowait()
                message = EmailMessage(policy=SMTP)
                message["From"], message["To"] = "diary@example.org", f"bare-{number}@example.org"
                message["Subject"], message["Message-ID"] = "New result", f"<{uuid4()}@example.org>"
                message.set_content(body, "text", "html", cte="base64")
                await client.send_message(message)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return count / (time.perf_counter() - started)
