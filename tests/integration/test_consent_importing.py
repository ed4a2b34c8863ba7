"""Registration from files: every row is taken or reported with its line, column and reason."""

import asyncio
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from contracts.base import EVENT_NAMESPACE, PersonId, StudentId
from services.consent import importing, reading
from services.consent.importing import import_consents, import_withdrawals
from tests.integration.test_consent_registry import NOW, POLICY, Registry, a_student
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import WRITTEN

ROW = {
    **dict.fromkeys(reading.CONSENT_COLUMNS, ""),
    **{name: str(value) for name, value in WRITTEN.items()},
    "cabinet": "given",
    "email": "given",
    "push": "refused",
    "no_internet": "false",
    "language": "ru",
    "decided_at": "2026-11-20T10:00:00+03:00",
}


def our_id(theirs: str) -> UUID:
    return uuid5(EVENT_NAMESPACE, theirs)


def resolve(ids: Sequence[str]) -> dict[str, UUID]:
    return {one: our_id(one) for one in ids if not one.startswith("nobody")}


def a_row(parent: str, student: str, number: str, **changes: str) -> dict[str, str]:
    address = f"{parent}@example.org"
    return {
        **ROW, "representative_id": parent, "student_id": student, "document_number": number,
        "email_address": address, **changes,
    }  # fmt: skip


def a_file(folder: Path, rows: Sequence[dict[str, str]], *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path = folder / "consents.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
async def registry(service_database: ServiceDatabases) -> Registry:
    return Registry(await service_database("consent"), service_database)


def target(registry: Registry) -> importing.Registry:
    return importing.Registry(registry.database, resolve, registry.clock, POLICY)


async def knows(registry: Registry, *pairs: tuple[str, str]) -> None:
    for parent, student in pairs:
        await registry.knows(a_student(PersonId(our_id(parent)), student_id=StudentId(our_id(student))))


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), (";", "cp1251")])
async def test_a_file_is_registered_and_again_changes_nothing(registry, tmp_path, delimiter, encoding):
    await knows(registry, ("p1", "s1"), ("p2", "s2"))
    path = a_file(
        tmp_path,
        [a_row("p1", "s1", "С-1"), a_row("p2", "s2", "С-2", cabinet="нет", no_internet="да")],
        delimiter=delimiter,
        encoding=encoding,
    )

    first = await import_consents(path, target(registry))
    second = await import_consents(path, target(registry))

    assert (first.rows, first.registered, first.unchanged, first.exit_code) == (2, 2, 0, 0)
    assert (second.rows, second.registered, second.unchanged, second.exit_code) == (2, 0, 2, 0)
    events = {event.representative_id: event for event in await registry.events()}
    assert events[our_id("p1")].contact.email == "p1@example.org"
    assert events[our_id("p1")].effective_from == NOW
    assert events[our_id("p2")].no_internet
    (document, *_) = await registry.rows("SELECT contents FROM consent_documents")
    assert "Примерова Анна Образцовна" in document["contents"]


async def test_every_rejected_row_is_reported_and_the_rest_is_taken(registry, tmp_path):
    await knows(registry, ("p1", "s1"), ("p2", "s2"))
    rows = [
        a_row("p1", "s1", "С-1"),
        a_row("nobody1", "s1", "С-2"),
        a_row("p1", "s2", "С-3"),
        a_row("p2", "s2", "С-4", term="", operator_name="", email_address=""),
        a_row(
            "p2",
            "s2",
            "С-5",
            cabinet="maybe",
            signed_on="вчера",
            decided_at="0001-01-01T00:00:00+14:00",
            no_internet="x",
        ),
        a_row("p2", "s2", "С-6", consenter_name="Анна\x01"),
    ]
    path = a_file(tmp_path, rows)
    with path.open("a", encoding="utf-8") as file:
        file.write('\nзря\n"не закрыто')

    report = await import_consents(path, target(registry))

    assert report.exit_code == 2
    assert (report.rows, report.registered, report.rejected) == (8, 1, 7)
    assert sorted((one.line, one.field, one.code) for one in report.rejections) == [
        (3, "representative_id", "unknown_person"),
        (4, "representative_id", "unknown_representation"),
        (5, "email_address", "email_address_needed"),
        (5, "operator_name", "missing_operator_name"),
        (5, "term", "missing_term"),
        (6, "cabinet", "bad_value"),
        (6, "decided_at", "bad_instant"),
        (6, "no_internet", "bad_value"),
        (6, "signed_on", "bad_date"),
        (7, "consenter_name", "bad_value"),
        (9, "", "bad_row"),
        (10, "", "bad_row"),
    ]
    assert {one.file for one in report.rejections} == {"consents.csv"}
    assert all(one.reason("ru") and one.reason("en") for one in report.rejections)
    assert "nobody1" not in str(report.rejections)


async def test_a_line_number_is_where_the_row_begins(registry, tmp_path):
    await knows(registry, ("p1", "s1"))
    path = a_file(tmp_path, [a_row("p1", "s1", "С-1", purposes="первая\nвторая\nтретья"), a_row("nobody", "s1", "С-2")])

    report = await import_consents(path, target(registry))

    assert (report.registered, [one.line for one in report.rejections]) == (1, [5])


async def test_withdrawals_close_what_was_given(registry, tmp_path):
    await knows(registry, ("p1", "s1"), ("p2", "s2"))
    await import_consents(a_file(tmp_path, [a_row("p1", "s1", "С-1"), a_row("p2", "s2", "С-2")]), target(registry))
    path = tmp_path / "withdrawals.csv"
    path.write_text(
        "representative_id,student_id,purposes,document_number\np1,s1,,О-1\np2,s2,email,О-2\np2,s2,fax push,О-3\n",
        encoding="utf-8",
    )

    first = await import_withdrawals(path, target(registry))
    second = await import_withdrawals(path, target(registry))

    assert (first.registered, second.registered, second.unchanged) == (2, 0, 2)
    assert [(one.line, one.field, one.code) for one in first.rejections] == [(4, "purposes", "bad_value")]
    states = await registry.rows("SELECT cabinet, email FROM consents")
    assert sorted(map(tuple, states)) == [("given", "withdrawn"), ("withdrawn", "withdrawn")]


async def test_a_dry_run_only_looks(registry, tmp_path):
    await knows(registry, ("p1", "s1"))
    path = a_file(tmp_path, [a_row("p1", "s1", "С-1"), a_row("p1", "s2", "С-2")])

    report = await import_consents(path, replace(target(registry), dry_run=True))

    assert (report.registered, report.rejected) == (1, 1)
    assert await registry.events() == []
    assert await registry.rows("SELECT FROM consents") == []


async def test_an_import_waits_for_people_who_are_on_their_way(registry, tmp_path):
    path = a_file(tmp_path, [a_row("p1", "s1", "С-1")])

    at_once = await import_consents(path, target(registry))
    waiting = asyncio.create_task(import_consents(path, replace(target(registry), wait_for_people_seconds=30)))
    await knows(registry, ("p1", "s1"))
    report = await waiting

    assert at_once.rejections[0].code == "unknown_representation"
    assert report.registered == 1


async def test_ids_may_be_resolved_by_a_coroutine(registry, tmp_path):
    await knows(registry, ("p1", "s1"))

    async def slowly(ids: Sequence[str]) -> dict[str, UUID]:
        await asyncio.sleep(0)
        return resolve(ids)

    path = a_file(tmp_path, [a_row("p1", "s1", "С-1")])

    report = await import_consents(path, replace(target(registry), resolve=slowly))

    assert report.registered == 1


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (None, "no_such_file", ""),
        (b"", "wrong_header", "cabinet"),
        (b"representative_id,student_id,cabinet\n", "wrong_header", "document_number"),
        (b"representative_id,student_id,cabinet,cabinet,document_number\n", "wrong_header", "cabinet"),
    ],
)
async def test_a_file_that_makes_no_sense_is_refused_as_a_whole(registry, tmp_path, content, code, field):
    path = tmp_path / "consents.csv"
    if content is not None:
        path.write_bytes(content)

    report = await import_consents(path, target(registry))

    assert report.exit_code == 1
    assert [(one.line, one.field, one.code) for one in report.rejections] == [(None, field, code)]
    assert report.as_json()["rejections"][0]["reason"].keys() == {"ru", "en"}


async def test_a_long_file_goes_in_batches_and_tells_how_far_it_is(registry, tmp_path):
    pairs = [(f"p{number}", f"s{number}") for number in range(importing.BATCH + 5)]
    await registry.knows(*(a_student(PersonId(our_id(p)), student_id=StudentId(our_id(s))) for p, s in pairs))
    path = a_file(tmp_path, [a_row(p, s, f"С-{number}") for number, (p, s) in enumerate(pairs)])
    told: list[int] = []

    report = await import_consents(path, target(registry), progress=told.append)

    assert report.registered == len(pairs)
    assert told == [importing.BATCH, len(pairs)]
