"""SQL for the papers: what the journal and the registry know of a representative, a student and the school."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chassis.database import Connection


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """What stands on a form or receipt. A text is empty where nothing is known."""

    school_name: str
    school_address: str
    consenter_name: str
    student_name: str
    class_name: str
    birth_date: date | None
    kind: str
    document: str
    document_number: str
    issued_on: date | None
    email_address: str
    cabinet: str
    email: str
    push: str
    no_internet: bool
    decided_at: datetime | None
    effective_from: datetime | None
    number: str
    """Of the paper by which the present decision was registered."""


_FACTS = """
SELECT coalesce(o.name, '') AS school_name, coalesce(o.address, '') AS school_address,
    coalesce(concat_ws(' ', m.family, m.given, nullif(m.patronymic, '')), '') AS consenter_name,
    coalesce(concat_ws(' ', n.family, n.given, nullif(n.patronymic, '')), '') AS student_name,
    s.class_name, s.birth_date,
    CASE WHEN $1 = s.student_id THEN 'student' ELSE coalesce(a.kind, r.kind, 'other') END AS kind,
    coalesce(a.document, '') AS document, coalesce(a.document_number, '') AS document_number, a.issued_on,
    coalesce(c.email_address, '') AS email_address, coalesce(c.cabinet, 'unanswered') AS cabinet,
    coalesce(c.email, 'unanswered') AS email, coalesce(c.push, 'unanswered') AS push,
    coalesce(c.no_internet, false) AS no_internet, c.decided_at, c.effective_from,
    coalesce(d.document_number, '') AS number
FROM students AS s
LEFT JOIN schools AS o ON o.school_id = s.school_id
LEFT JOIN representations AS r ON r.student_id = s.student_id AND r.representative_id = $1
LEFT JOIN authorities AS a ON a.student_id = s.student_id AND a.representative_id = $1 AND a.state = 'in_force'
LEFT JOIN people AS n ON n.person_id = s.student_id
LEFT JOIN people AS m ON m.person_id = $1
LEFT JOIN consents AS c ON c.student_id = s.student_id AND c.representative_id = $1
LEFT JOIN LATERAL (
    SELECT h.document_number FROM consent_decisions AS h
    WHERE h.consent_id = c.consent_id AND h.document_number IS NOT NULL ORDER BY h.revision DESC LIMIT 1
) AS d ON true
WHERE s.student_id = $2
"""


async def facts(conn: Connection, representative_id: UUID, student_id: UUID) -> PaperFacts | None:
    """What is known for a paper; None where the scope knows no such student."""
    row = await conn.fetchrow(_FACTS, representative_id, student_id)
    return None if row is None else PaperFacts(**row)
