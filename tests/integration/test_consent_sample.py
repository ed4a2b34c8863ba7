"""The sample district goes through the doors of the gradebook and of the consent registry with no row refused."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged
from services.consent import handlers
from services.consent.importing import Registry, import_consents, import_withdrawals
from services.consent.model import Policy
from services.gradebook.handlers import resolve_persons
from services.gradebook.importing import import_files
from sutki.sample import District, generate, write
from tests.support.databases import ServiceDatabases

BASE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
POLICY = Policy()


@pytest.fixture(scope="module")
def district() -> District:
    return generate(1, BASE, students=240)


@pytest.fixture
def folder(district: District, tmp_path: Path) -> Path:
    write(district, tmp_path)
    return tmp_path


async def _events(databases: ServiceDatabases, topic: str) -> list[str]:
    async with databases.as_superuser("gradebook") as conn:
        rows = await conn.fetch("SELECT payload FROM outbox WHERE type = $1 ORDER BY id", topic)
    return [row["payload"] for row in rows]


async def _import_journals(gradebook: Database, clock: FixedClock, folder: Path) -> int:
    """Imports every step of the manifest; every row is taken.

    Returns:
        How many rows changed something.
    """
    changed = 0
    for step in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["steps"]:
        for file in step["files"]:
            report = await import_files(gradebook, clock, folder / file["path"])
            assert report.rejections == [], file
            changed += sum(tally.added + tally.changed for tally in report.counts.values())
    return changed


async def _tell_consent_of_people(consent: Database, clock: FixedClock, databases: ServiceDatabases) -> None:
    events = [PersonChanged.from_json(payload) for payload in await _events(databases, PersonChanged.TOPIC)]
    latest = {event.person_id: event for event in events}
    async with consent.transaction(DISTRICT) as conn:
        await handlers.take_people(conn, list(latest.values()), clock)


async def test_the_whole_sample_is_taken_and_again_changes_nothing(service_database, folder, district):
    gradebook, consent = await service_database("gradebook"), await service_database("consent")
    clock = FixedClock(BASE)

    assert await _import_journals(gradebook, clock, folder) > len(district.marks)
    assert await _import_journals(gradebook, clock, folder) == 0
    marks = [MarkRecorded.from_json(payload) for payload in await _events(service_database, MarkRecorded.TOPIC)]
    grades = [FinalGradeSet.from_json(payload) for payload in await _events(service_database, FinalGradeSet.TOPIC)]
    assert len(marks) == len(district.marks)
    assert len(grades) == len(district.final_grades)
    assert sum(grade.held for grade in grades) == sum(grade.held for grade in district.final_grades)

    await _tell_consent_of_people(consent, clock, service_database)

    async def resolve(ids: Sequence[str]) -> Mapping[str, UUID]:
        return await resolve_persons(gradebook, DISTRICT, "district", ids)

    registry = Registry(consent, resolve, clock, POLICY)
    for changes in (True, False):
        clock.advance(timedelta(minutes=1))
        report = await import_consents(folder / "consents.csv", registry)
        assert report.rejections == []
        assert (report.registered, report.unchanged)[not changes] == len(district.consents)
        letters = await import_withdrawals(folder / "withdrawals.csv", registry)
        assert letters.rejections == []
        assert (letters.registered, letters.unchanged)[not changes] == len(district.withdrawals)
