"""The service's SQL: one function per query. Batches are arrays and `unnest`, never a query per row."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.base import ConsentId, PersonId, SchoolId, StudentId
from contracts.values import Decision, Language
from services.consent.document import ConsentDocument
from services.consent.model import Answers, Consent, Entry, Pair, Registered

PairKey = tuple[UUID, UUID]
"""Representative and student."""

_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtext('sutki.consent.registration'))"
_LOCK_STUDENTS = "SELECT FROM students WHERE student_id = ANY($1::uuid[]) ORDER BY student_id FOR UPDATE"

_PAIRS = """
SELECT p.representative_id, p.student_id, s.school_id, s.birth_date, coalesce(r.in_force, false) AS represented,
    coalesce(r.in_force, false) AND NOT coalesce(a.state = 'ended' OR a.expires_at <= $3, false) AS in_force,
    g.state AS agreement, g.since AS agreement_since
FROM unnest($1::uuid[], $2::uuid[]) AS p (representative_id, student_id)
JOIN students AS s ON s.student_id = p.student_id
LEFT JOIN representations AS r ON r.student_id = p.student_id AND r.representative_id = p.representative_id
LEFT JOIN authorities AS a ON a.student_id = p.student_id AND a.representative_id = p.representative_id
LEFT JOIN student_agreements AS g ON g.student_id = p.student_id
WHERE r.student_id IS NOT NULL OR p.representative_id = p.student_id
    OR EXISTS (
        SELECT FROM consents AS c WHERE c.student_id = p.student_id AND c.representative_id = p.representative_id
    )
"""

_CONSENT = """
c.consent_id, c.representative_id, c.student_id, c.school_id, c.revision, c.cabinet, c.email, c.push, c.no_internet,
c.document, c.email_address, c.language, c.decided_at, c.effective_from, c.authority, c.renewal_needed
"""

_CONSENTS_OF_PAIRS = f"""
SELECT {_CONSENT}
FROM unnest($1::uuid[], $2::uuid[]) AS p (representative_id, student_id)
JOIN consents AS c ON c.student_id = p.student_id AND c.representative_id = p.representative_id
"""

_NUMBERS = """
SELECT d.consent_id, d.document_number, d.cabinet, d.email, d.push, d.no_internet, d.withdrawal
FROM unnest($1::uuid[], $2::text[]) AS p (consent_id, document_number)
JOIN consent_decisions AS d ON d.consent_id = p.consent_id AND d.document_number = p.document_number
"""

_UPSERT_CONSENTS = """
INSERT INTO consents AS c (
    consent_id, representative_id, student_id, school_id, revision, cabinet, email, push, no_internet, document,
    email_address, language, decided_at, effective_from, authority, renewal_needed, registered_at
)
SELECT *, $17::timestamptz
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::bool[],
    $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::bool[]
)
ON CONFLICT (consent_id) DO UPDATE SET
    school_id = excluded.school_id, revision = excluded.revision, cabinet = excluded.cabinet, email = excluded.email,
    push = excluded.push, no_internet = excluded.no_internet, document = excluded.document,
    email_address = excluded.email_address, language = excluded.language, decided_at = excluded.decided_at,
    effective_from = excluded.effective_from, authority = excluded.authority,
    renewal_needed = excluded.renewal_needed, registered_at = excluded.registered_at
WHERE excluded.revision > c.revision
"""

_INSERT_DECISIONS = """
INSERT INTO consent_decisions (
    consent_id, revision, decided_by, withdrawal, reason, cabinet, email, push, no_internet, document, document_number,
    student_agreed, decided_at, effective_from, scan_sha256, scan_reference, session_reference, registered_at,
    registered_by
)
SELECT *, $18::timestamptz, $19::uuid
FROM unnest(
    $1::uuid[], $2::int[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[],
    $10::text[], $11::text[], $12::bool[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[], $17::text[]
)
"""

_INSERT_DOCUMENTS = """
INSERT INTO consent_documents (consent_id, revision, contents)
SELECT consent_id, revision, contents::jsonb
FROM unnest($1::uuid[], $2::int[], $3::text[]) AS d (consent_id, revision, contents)
"""

_CONSENT_BY_ID = f"SELECT {_CONSENT} FROM consents AS c WHERE c.consent_id = $1"

_HISTORY = """
SELECT c.consent_id, c.representative_id, c.revision, c.cabinet, c.email, c.push, c.no_internet, c.document,
    c.email_address, c.language, c.decided_at, c.effective_from, c.authority, c.renewal_needed,
    (coalesce(r.in_force, false) AND c.authority = 'in_force') OR c.representative_id = c.student_id AS in_force,
    (
        SELECT jsonb_agg(
            jsonb_build_object(
                'revision', d.revision, 'decided_by', d.decided_by, 'reason', d.reason, 'withdrawal', d.withdrawal,
                'cabinet', d.cabinet, 'email', d.email, 'push', d.push, 'no_internet', d.no_internet,
                'document', d.document, 'document_number', d.document_number, 'student_agreed', d.student_agreed,
                'decided_at', d.decided_at, 'effective_from', d.effective_from, 'registered_at', d.registered_at,
                'scan_sha256', d.scan_sha256, 'scan_reference', d.scan_reference,
                'session_reference', d.session_reference
            ) ORDER BY d.revision
        )
        FROM consent_decisions AS d WHERE d.consent_id = c.consent_id
    ) AS history
FROM consents AS c
LEFT JOIN representations AS r ON r.student_id = c.student_id AND r.representative_id = c.representative_id
WHERE c.student_id = $1
ORDER BY c.representative_id
"""

_ADULTS = """
SELECT s.student_id FROM students AS s
WHERE s.birth_date <= $1 AND EXISTS (
    SELECT FROM consents AS c
    WHERE c.student_id = s.student_id AND c.cabinet = 'given' AND c.representative_id <> c.student_id
)
ORDER BY s.student_id LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_GIVEN_OF_STUDENTS = f"""
SELECT {_CONSENT} FROM consents AS c
WHERE c.student_id = ANY($1::uuid[]) AND c.cabinet = 'given' AND c.representative_id <> c.student_id
ORDER BY c.consent_id
"""

_PAGE = f"SELECT {_CONSENT} FROM consents AS c WHERE c.consent_id > $1 ORDER BY c.consent_id LIMIT $2"

_SECONDS_TO_MIDNIGHT = """
SELECT extract(epoch FROM (date_trunc('day', t.local) + interval '1 day') - t.local)::float
FROM (SELECT (clock_timestamp() + clock_shift()) AT TIME ZONE $1 AS local) AS t
"""

_COUNTS = """
SELECT cabinet, email, push, no_internet, count(*) AS consents FROM consents GROUP BY cabinet, email, push, no_internet
"""


async def begin_registration(conn: Connection) -> None:
    """Announces a registration to the heartbeat; must come before the instant of registration is taken."""
    await conn.execute(_LOCK_SHARED)


async def lock_students(conn: Connection, student_ids: Sequence[UUID]) -> None:
    """Lets decisions about one student follow one after another, until the transaction ends."""
    await conn.execute(_LOCK_STUDENTS, sorted(set(student_ids)))


async def pairs(
    conn: Connection, keys: Sequence[PairKey], numbers: Sequence[str], now: datetime
) -> dict[PairKey, Pair]:
    """What is known about each pair; absent where it is no pair that could decide.

    Args:
        conn: the registration's transaction; its students are locked.
        keys: the pairs, in the order of `numbers`.
        numbers: the documents' numbers, to find those that were registered before.
        now: the instant of registration: an authority that has run out counts as ended, whoever noticed it.
    """
    first, second = [key[0] for key in keys], [key[1] for key in keys]
    consents = {_key(row): consent(row) for row in await conn.fetch(_CONSENTS_OF_PAIRS, first, second)}
    known: dict[UUID, dict[str, Registered]] = {}
    asked = [
        (consents[key].consent_id, number)
        for key, number in zip(keys, numbers, strict=True)
        if number and key in consents
    ]
    for row in await conn.fetch(_NUMBERS, [one for one, _ in asked], [number for _, number in asked]):
        registered = Registered(_answers(row), row["no_internet"], row["withdrawal"])
        known.setdefault(row["consent_id"], {})[row["document_number"]] = registered
    return {
        _key(row): Pair(
            school_id=SchoolId(row["school_id"]),
            birth_date=row["birth_date"],
            in_force=row["in_force"],
            represented=row["represented"],
            agreement=row["agreement"],
            agreement_since=row["agreement_since"],
            consent=consents.get(_key(row)),
            numbers=known.get(consents[_key(row)].consent_id, {}) if _key(row) in consents else {},
        )
        for row in await conn.fetch(_PAIRS, first, second, now)
    }


async def save_consents(conn: Connection, states: Sequence[Consent], registered_at: datetime) -> None:
    """Writes present states; at most one of each consent."""
    await conn.execute(
        _UPSERT_CONSENTS,
        [state.consent_id for state in states],
        [state.representative_id for state in states],
        [state.student_id for state in states],
        [state.school_id for state in states],
        [state.revision for state in states],
        [state.answers.cabinet for state in states],
        [state.answers.email for state in states],
        [state.answers.push for state in states],
        [state.no_internet for state in states],
        [state.document for state in states],
        [state.email_address for state in states],
        [state.language for state in states],
        [state.decided_at for state in states],
        [state.effective_from for state in states],
        [state.authority for state in states],
        [state.renewal_needed for state in states],
        registered_at,
    )


async def add_decisions(
    conn: Connection, entries: Sequence[Entry], registered_at: datetime, registered_by: UUID | None
) -> None:
    """Adds lines to the history, and what their documents said."""
    await conn.execute(
        _INSERT_DECISIONS,
        [entry.consent.consent_id for entry in entries],
        [entry.consent.revision for entry in entries],
        [entry.decided_by for entry in entries],
        [entry.withdrawal for entry in entries],
        [entry.reason for entry in entries],
        [entry.consent.answers.cabinet for entry in entries],
        [entry.consent.answers.email for entry in entries],
        [entry.consent.answers.push for entry in entries],
        [entry.consent.no_internet for entry in entries],
        [entry.consent.document for entry in entries],
        [entry.document_number or None for entry in entries],
        [entry.student_agreed for entry in entries],
        [entry.consent.decided_at for entry in entries],
        [entry.consent.effective_from for entry in entries],
        [entry.scan and entry.scan.sha256 for entry in entries],
        [entry.scan and entry.scan.reference for entry in entries],
        [entry.session_reference or None for entry in entries],
        registered_at,
        registered_by,
    )
    written = [(entry.consent, entry.contents) for entry in entries if entry.contents is not None]
    if written:
        await conn.execute(
            _INSERT_DOCUMENTS,
            [state.consent_id for state, _ in written],
            [state.revision for state, _ in written],
            [_contents(document) for _, document in written],
        )


def _contents(document: ConsentDocument) -> str:
    """Only what was written; number, scan and sign-in stand in the history already."""
    apart = {"number", "scan_sha256", "scan_reference", "session_reference"}
    return document.model_dump_json(exclude=apart, exclude_defaults=True)


async def consent_by_id(conn: Connection, consent_id: ConsentId) -> Consent | None:
    """One consent, if the scope may see it."""
    row = await conn.fetchrow(_CONSENT_BY_ID, consent_id)
    return None if row is None else consent(row)


async def history_of_student(conn: Connection, student_id: StudentId) -> list[asyncpg.Record]:
    """Every consent of a student with all its decisions."""
    return await conn.fetch(_HISTORY, student_id)


async def lock_adults_with_given(conn: Connection, born_by: date, limit: int) -> list[UUID]:
    """Students of age for whom a representative's consent still holds; locked, others' locked ones left out."""
    return [row["student_id"] for row in await conn.fetch(_ADULTS, born_by, limit)]


async def given_by_representatives(conn: Connection, student_ids: Sequence[UUID]) -> list[Consent]:
    """Consents of representatives that hold for these students."""
    return [consent(row) for row in await conn.fetch(_GIVEN_OF_STUDENTS, student_ids)]


async def page(conn: Connection, after: UUID, limit: int) -> list[Consent]:
    """The next consents in the order of their ids."""
    return [consent(row) for row in await conn.fetch(_PAGE, after, limit)]


async def seconds_to_midnight(conn: Connection, time_zone: str) -> float:
    """How long until the next birthday can begin."""
    seconds: float = await conn.fetchval(_SECONDS_TO_MIDNIGHT, time_zone)
    return seconds


async def counts(conn: Connection) -> list[asyncpg.Record]:
    """How many consents there are of each kind."""
    return await conn.fetch(_COUNTS)


def consent(row: asyncpg.Record) -> Consent:
    """A consent from its row."""
    return Consent(
        consent_id=ConsentId(row["consent_id"]),
        representative_id=PersonId(row["representative_id"]),
        student_id=StudentId(row["student_id"]),
        school_id=SchoolId(row["school_id"]),
        revision=row["revision"],
        answers=_answers(row),
        no_internet=row["no_internet"],
        document=row["document"],
        email_address=row["email_address"],
        language=Language(row["language"]),
        decided_at=row["decided_at"],
        effective_from=row["effective_from"],
        authority=row["authority"],
        renewal_needed=row["renewal_needed"],
    )


def _answers(row: asyncpg.Record) -> Answers:
    return Answers(Decision(row["cabinet"]), Decision(row["email"]), Decision(row["push"]))


def _key(row: asyncpg.Record) -> PairKey:
    return row["representative_id"], row["student_id"]
