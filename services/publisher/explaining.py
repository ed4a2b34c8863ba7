"""What the ledger knows about one result, in one answer: who could have it, since when, how, and on what ground."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from chassis.database import DISTRICT, Database
from services.publisher.proving import ResultProof, proof_of
from services.publisher.queries import board
from services.publisher.queries import ledger as queries
from services.publisher.queries.explaining import ResultObligation, obligations_of_result


@dataclass(frozen=True)
class Explanation:
    """Everything that is known about the disclosure of a result."""

    result_id: UUID
    school_id: UUID | None
    student_id: UUID | None
    obligations: list[ResultObligation]
    """What is or was owed, each version and recipient, as it stands now."""
    closings: list[dict[str, Any]]
    """Ends of consents that concern the student: they have no result of their own."""
    proof: ResultProof

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The contents of the ledger's entries, in order, each with its day's root if it is sealed."""
        return [
            {
                **orjson.loads(one.entry.entry),
                "hash": one.entry.hash.hex(),
                "sealed_on": one.day.told.day.isoformat() if one.day else None,
            }
            for one in self.proof.entries
        ]


async def explain(database: Database, result_id: UUID) -> Explanation | None:
    """The explanation of a result; None when nothing is known of it."""
    async with database.transaction(DISTRICT) as conn:
        row = await board.result(conn, result_id)
        owed = await obligations_of_result(conn, result_id)
    proof = await proof_of(database, result_id)
    if row is None and not owed and not proof.entries:
        return None
    first = orjson.loads(proof.entries[0].entry.entry) if proof.entries else {}
    school_id = row.school_id if row else UUID(first["school_id"]) if first else None
    student_id = row.student_id if row else UUID(first["student_id"]) if "student_id" in first else None
    closings: list[dict[str, Any]] = []
    if school_id and student_id:
        async with database.transaction(DISTRICT) as conn:
            lines = await queries.closings_of_student(conn, school_id, student_id)
        closings = [{**orjson.loads(one.entry), "hash": one.hash.hex()} for one in lines]
    return Explanation(result_id, school_id, student_id, owed, closings, proof)
