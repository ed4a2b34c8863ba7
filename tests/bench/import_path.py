"""The import benchmark: a OneRoster pack of one large school by `sutki import`, against bare `COPY` of the same rows.

Run by itself: `python -m tests.bench.import_path --results 1000000`, or `make bench ARGS="--only import"`. Writes
`bench-results/import.json`. Counted is the whole command, from its start to its exit code, with everything that it says
of schools, people and groups; its memory is the peak that the system saw.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from chassis.migrations import migrate
from sutki.console import out
from sutki.stack.postgres import EmbeddedPostgres
from tests.bench.bare import copy
from tests.bench.figures import figures, in_words, keep
from tests.bench.school_pack import write_pack
from tests.support import folders
from tests.support.databases import SERVICES_FOLDER

FIGURES = "import.json"
RESULTS = 100_000
MEMORY_LIMIT_MB = 300
"""What an import may need, in millions of bytes, however many results there are."""
RESULT_KINDS = ("marks", "final_grades", "exam_results")
_COPY = "bench_copy"
_MAX_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Imported:
    """What the command did."""

    seconds: float
    peak_mb: float
    report: dict[str, Any]

    def results(self) -> int:
        """How many results are in the journal that were not there."""
        return sum(int(self.report["counts"].get(kind, {}).get("added", 0)) for kind in RESULT_KINDS)


async def measure(results: int) -> dict[str, Any]:
    """Imports, copies, and returns the figures of both.

    Args:
        results: in the pack.

    Raises:
        RuntimeError: the import did not take exactly that.
    """
    folder = folders.make("bench-import")
    try:
        pack = folder / "school.zip"
        # The day before, in every time zone: a mark of tomorrow is refused.
        await asyncio.to_thread(write_pack, pack, results, datetime.now(UTC).date() - timedelta(days=1))
        async with EmbeddedPostgres(folder / "postgres") as postgres:
            await _migrated(postgres)
            imported = await asyncio.to_thread(_import, pack, postgres.url("gradebook"), folder / "report.json")
            if imported.report["rejected"] or imported.results() != results:
                raise RuntimeError(f"{imported.results()} of {results} results taken: {imported.report['counts']}")
            copied = await copy.run(postgres.superuser_url("sutki_gradebook"), postgres.superuser_url(_COPY), folder)
        return _figures(results, pack.stat().st_size, imported, copied)
    finally:
        folders.remove(folder)


async def _migrated(postgres: EmbeddedPostgres) -> None:
    """The gradebook's database, and one like it for the reference."""
    await postgres.prepare(["gradebook"])
    await migrate(postgres.owner_url("gradebook"), "gradebook", SERVICES_FOLDER / "gradebook" / "migrations")
    admin = await asyncpg.connect(postgres.superuser_url())
    await admin.execute(f"CREATE DATABASE {_COPY} TEMPLATE sutki_gradebook")
    await admin.execute("CHECKPOINT")
    await admin.close()


def _import(pack: Path, database_url: str, report: Path) -> Imported:
    command = [sys.executable, "-c", "from sutki.cli import main; main()", "import", str(pack), "--json"]
    # There is no broker here: an import leaves its events in the outbox. The settings want an address all the same.
    settings = {"SUTKI_GRADEBOOK_DATABASE_URL": database_url, "SUTKI_GRADEBOOK_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    started = time.perf_counter()
    with (
        report.open("wb") as output,
        subprocess.Popen(command, stdout=output, env={**os.environ, **settings}) as process,
    ):
        # `wait4` and no sampling: a peak between two looks counts too.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    text = report.read_text(encoding="utf-8")
    if not text:
        raise RuntimeError(f"the import ended with {process.returncode} and no report")
    return Imported(seconds, usage.ru_maxrss * _MAX_RSS_UNIT / 1e6, json.loads(text))


def _figures(results: int, pack_bytes: int, imported: Imported, copied: float) -> dict[str, Any]:
    return figures(
        "OneRoster import",
        ours=results / imported.seconds,
        bare=results / copied,
        unit="results/s",
        oneroster_results=results,
        pack_mib=round(pack_bytes / 2**20, 1),
        import_seconds=round(imported.seconds, 1),
        copy_seconds=round(copied, 2),
        peak_mb=round(imported.peak_mb),
        peak_limit_mb=MEMORY_LIMIT_MB,
        counts=imported.report["counts"],
    )


def run(results: int) -> bool:
    """Measures, keeps and shows; false when the import needed more memory than it may."""
    taken = asyncio.run(measure(results))
    keep(FIGURES, taken)
    out.print(in_words(taken))
    out.print(
        f"{results:,} results in {taken['import_seconds']} s, bare COPY of the same rows and their outbox rows in "
        f"{taken['copy_seconds']} s; peak memory of the import {taken['peak_mb']} MB of {taken['peak_limit_mb']}"
    )
    return bool(taken["peak_mb"] <= MEMORY_LIMIT_MB)


def main() -> None:
    """The command. Exit code 1: too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=RESULTS)
    sys.exit(0 if run(parser.parse_args().results) else 1)


if __name__ == "__main__":
    main()
