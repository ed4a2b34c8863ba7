"""The mail benchmark: queued notifications claimed, written, sent over eight connections, settled and in the ledger.

Run by itself: `python -m tests.bench.mails --mails 3000`, or `make bench ARGS="--only mails"`. Writes
`bench-results/mails.json`. Ours is a publisher's process, from the first mail that the sink took to the last that is
settled; the bare reference sends as many of the same length over as many connections and keeps no books.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from chassis.database import DISTRICT, Database
from chassis.migrations import migrate
from sutki.console import out
from sutki.stack.mail import MailSink
from sutki.stack.postgres import EmbeddedPostgres
from tests.bench.bare import mails as bare
from tests.bench.figures import figures, in_words, keep
from tests.support import folders
from tests.support.databases import SERVICES_FOLDER
from tests.support.mail_desk import queue_mails, sender_process

MAILS = 2_000
CONNECTIONS = 8
POLL_SECONDS = 0.02
LIMIT_SECONDS = 600
_SENT = "SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) AS mails FROM notifications"


async def measure(mails: int) -> dict[str, Any]:
    """Sends both ways and returns the figures."""
    folder = folders.make("bench-mails")
    try:
        async with EmbeddedPostgres(folder / "postgres") as postgres, MailSink(folder / "mail") as sink:
            await postgres.prepare(["publisher"])
            await migrate(postgres.owner_url("publisher"), "publisher", SERVICES_FOLDER / "publisher" / "migrations")
            database = await Database.connect(postgres.url("publisher"), application_name="bench")
            try:
                await queue_mails(database, mails)
                ours = await _ours(database, postgres.url("publisher"), sink, folder)
                [sample] = await sink.messages(limit=1)
                body = (await sink.message(sample["id"]))["html"].encode()
                reference = await bare.run(sink.host, sink.port, mails, CONNECTIONS, body)
                return figures("mails", ours=ours, bare=reference, unit="mails/s", mails=mails)
            finally:
                await database.close()
    finally:
        folders.remove(folder)


async def _ours(database: Database, url: str, sink: MailSink, folder: Path) -> float:
    process = sender_process("sender", url, sink, folder, SUTKI_PUBLISHER_SMTP_CONNECTIONS=str(CONNECTIONS))
    process.start()
    try:
        first = 0
        while not first:
            first, mails = await _sent(database)
            began = time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)
        sent = first
        while sent < mails:
            if time.perf_counter() - began > LIMIT_SECONDS:
                raise TimeoutError(f"{sent} of {mails} mails after {LIMIT_SECONDS} s. {process.log_tail()}")
            await asyncio.sleep(POLL_SECONDS)
            sent, mails = await _sent(database)
        return (sent - first) / (time.perf_counter() - began)
    finally:
        await process.terminate()


async def _sent(database: Database) -> tuple[int, int]:
    async with database.transaction(DISTRICT) as conn:
        row = await conn.fetchrow(_SENT)
    assert row is not None
    return row["sent"], row["mails"]


def run(mails: int) -> bool:
    """Measures, keeps and shows."""
    taken = asyncio.run(measure(mails))
    keep("mails.json", taken)
    out.print(in_words(taken))
    return True


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=MAILS)
    run(parser.parse_args().mails)


if __name__ == "__main__":
    main()
