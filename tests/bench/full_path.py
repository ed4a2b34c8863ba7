"""`make bench`: final grades by the bulk API through all stages, each stage's rate, against the bare reference.

Run by itself: `python -m tests.bench.full_path --grades 50000`. Writes `bench-results/latest.json`.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from chassis.topics import ensure_topics
from sutki.console import out, table
from sutki.stack.stack import PARTITIONS
from tests.bench.bare import pipeline
from tests.support import folders
from tests.support.system import System

RESULTS = Path("bench-results/latest.json")
GRADES = 50_000
STUDENTS = 600
REQUEST_RECORDS = 5000
REQUESTS_AT_ONCE = 2
POLL_SECONDS = 0.1
LIMIT_SECONDS = 900

STAGES = {
    "gradebook: committed": ("gradebook", "SELECT count(*) FROM final_grades"),
    "relay: acknowledged by Kafka": (
        "gradebook",
        "SELECT count(*) FROM outbox WHERE type = 'gradebook.final-grade-set.v1' AND published_at IS NOT NULL",
    ),
    "publisher: obligations open": ("publisher", "SELECT count(*) FROM results WHERE opened_revision = value_revision"),
    "cabinet: visible": ("cabinet", "SELECT count(*) FROM results"),
    "extracts: known": ("extracts", "SELECT count(*) FROM result_versions"),
}
"""The stages that the bare reference has too."""

FURTHER = {
    "publisher: available by screen": (
        "publisher",
        "SELECT count(*) FROM obligations WHERE state = 'available' AND route = 'screen'",
        "SELECT count(*) FROM obligations WHERE route = 'screen'",
    ),
}
"""What follows from consent: who can see it."""


async def measure(grades: int, students: int) -> dict[str, Any]:
    """Runs both and returns the figures."""
    folder = folders.make("bench")
    try:
        settings = {"SUTKI_PUBLISHER_PAPER_GROUPING_SECONDS": "30", "SUTKI_PUBLISHER_NOTIFY_GROUPING_SECONDS": "30"}
        async with System.running(folder, students=students, settings=settings, fast=False) as system:
            bare = await _bare(system, grades)
            ours = await _ours(system, grades)
            memory = {name: system.stack.service(name).memory_bytes() // 2**20 for name in sorted(system.stack.ports)}
            return _figures(grades, bare, ours, memory)
    finally:
        folders.remove(folder)


async def _bare(system: System, grades: int) -> float:
    topic = f"bare.{uuid4().hex}"
    bootstrap = system.stack.broker.bootstrap
    await ensure_topics(bootstrap, {topic: False}, partitions=PARTITIONS, replication_factor=1)
    admin = await asyncpg.connect(system.stack.postgres.superuser_url())
    names = [f"bare{number}" for number in range(4)]
    for name in names:
        await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    return await pipeline.run([system.stack.postgres.superuser_url(name) for name in names], bootstrap, topic, grades)


async def _ours(system: System, grades: int) -> dict[str, tuple[int, float]]:
    records = system.grades(grades)
    started = time.perf_counter()
    sending = asyncio.gather(
        *(system.send(records[part::REQUESTS_AT_ONCE], batch=REQUEST_RECORDS) for part in range(REQUESTS_AT_ONCE))
    )
    watches = [_watch(system, *STAGES[name], started, lambda: _constant(grades)) for name in STAGES]
    reached = dict(zip(STAGES, await asyncio.gather(*watches), strict=True))
    await sending
    for name, (service, query, wanted) in FURTHER.items():
        reached[name] = await _watch(system, service, query, started, lambda s=service, q=wanted: _count(system, s, q))  # type: ignore[misc]
    return reached


async def _constant(value: int) -> int:
    return value


async def _watch(
    system: System, service: str, query: str, started: float, wanted: Callable[[], Awaitable[int]]
) -> tuple[int, float]:
    """How many, and after how many seconds all were there."""
    while (count := await _count(system, service, query)) < (goal := await wanted()) or goal == 0:
        if time.perf_counter() - started > LIMIT_SECONDS:
            raise TimeoutError(f"{service}: {count} of {goal} after {LIMIT_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)
    return count, time.perf_counter() - started


async def _count(system: System, service: str, query: str) -> int:
    conn = await asyncpg.connect(system.stack.postgres.superuser_url(f"sutki_{service}"))
    try:
        return int(await conn.fetchval(query))
    finally:
        await conn.close()


def _figures(grades: int, bare: float, ours: dict[str, tuple[int, float]], memory: dict[str, int]) -> dict[str, Any]:
    whole = max(ours[name][1] for name in STAGES)
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "grades": grades,
        "cores": os.cpu_count(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "stages": [
            {"name": name, "count": count, "seconds": round(seconds, 1), "per_second": round(count / seconds)}
            for name, (count, seconds) in ours.items()
        ],
        "memory_mib": memory,
        "results": [
            {
                "name": "final grades through all stages",
                "ours": round(grades / whole),
                "bare": round(bare),
                "ratio": round(grades / whole / bare, 3),
                "unit": "grades/s",
                "n": 1,
            }
        ],
    }


def _show(figures: dict[str, Any]) -> None:
    stages = table(
        f"{figures['grades']:,} final grades by the bulk API", "stage", "count", "done after, s", "per second"
    )
    for stage in figures["stages"]:
        stages.add_row(stage["name"], f"{stage['count']:,}", f"{stage['seconds']}", f"{stage['per_second']:,}")
    out.print(stages)
    for result in figures["results"]:
        out.print(
            f"{result['name']}: {result['ours']:,} {result['unit']}, bare reference {result['bare']:,}, "
            f"ratio {result['ratio']}"
        )
    out.print(
        f"memory, MiB: {figures['memory_mib']}; load average {figures['load_average']} on {figures['cores']} cores"
    )


def run(grades: int, students: int) -> None:
    """Measures, keeps and shows."""
    figures = asyncio.run(measure(grades, students))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _show(figures)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grades", type=int, default=GRADES)
    parser.add_argument("--students", type=int, default=STUDENTS)
    arguments = parser.parse_args()
    run(arguments.grades, arguments.students)


if __name__ == "__main__":
    main()
