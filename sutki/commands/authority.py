"""`sutki consents authority`: documents and ends of representatives' authority, by the journal's own ids."""

import asyncio
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, NoReturn
from uuid import UUID

import typer

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from chassis.settings import load
from contracts.base import PersonId, StudentId
from services.consent import authorities, authority_queries
from services.consent.authority import Authority, AuthorityDocument, Ended
from services.consent.faults import Refused
from services.consent.settings import Settings
from services.gradebook import handlers as gradebook
from sutki import environment
from sutki.console import fail, out, table
from sutki.texts import english, tr

authority_app = typer.Typer(no_args_is_help=True, help=tr("Полномочия представителей", "Representatives' authority"))


class Kind(StrEnum):
    """Who the representative is."""

    PARENT = "parent"
    GUARDIAN = "guardian"
    OTHER = "other"


class Reason(StrEnum):
    """Why somebody ends an authority."""

    COURT = "court"
    REVOKED = "revoked"
    OTHER = "other"


Representative = Annotated[str, typer.Argument(help=tr("Представитель, как в журнале", "The journal's id"))]
Student = Annotated[str, typer.Argument(help=tr("Обучающийся, как в журнале", "The journal's id"))]
Document = Annotated[str, typer.Option("--document", help=tr("Документ", "The document"))]
Number = Annotated[str, typer.Option("--number", help=tr("Номер документа", "Its number"))]
Issued = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%d.%m.%Y"])]
Source = Annotated[str, typer.Option(help=tr("Пространство идентификаторов журнала", "Namespace of the journal's ids"))]


@authority_app.command("register")
def register_command(
    representative: Representative,
    student: Student,
    document: Document,
    number: Number,
    kind: Kind = Kind.OTHER,
    issued_on: Issued = None,
    valid_until: Issued = None,
    source: Source = "district",
) -> None:
    """Зарегистрировать документ о полномочиях, продлить, восстановить / register, renew or restore an authority."""
    proof = AuthorityDocument(kind.value, document, number, _day(issued_on), _day(valid_until))
    _told(asyncio.run(_register(source, representative, student, proof)))


@authority_app.command("end")
def end_command(
    representative: Representative,
    student: Student,
    document: Document,
    number: Number,
    reason: Reason = Reason.COURT,
    issued_on: Issued = None,
    source: Source = "district",
) -> None:
    """Прекратить полномочия, сразу и на всех путях / end an authority, at once and on every route."""
    proof = AuthorityDocument("other", document, number, _day(issued_on))
    _told(asyncio.run(_end(source, representative, student, Ended(reason.value), proof)))


@authority_app.command("list")
def list_command(student: Student, source: Source = "district") -> None:
    """Что зарегистрировано о полномочиях / what is registered of the authority for a student."""

    async def read() -> list[tuple[str, ...]]:
        (student_id,) = await _people(source, student)
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            rows = await authority_queries.history(conn, StudentId(student_id))
        return [
            (
                str(row["representative_id"]),
                row["state"],
                row["end_reason"] or "",
                f"{row['valid_until'] or ''}",
                f"{row['registered_at']:%Y-%m-%d %H:%M} UTC",
            )
            for row in rows
        ]

    shown = table(
        tr("Полномочия", "Authority"),
        tr("представитель", "representative"),
        tr("состояние", "state"),
        tr("причина", "reason"),
        tr("до", "until"),
        tr("когда", "when"),
    )
    for row in asyncio.run(read()):
        shown.add_row(*row)
    out.print(shown)


async def _register(source: str, representative: str, student: str, proof: AuthorityDocument) -> Authority | None:
    who, whose = await _people(source, representative, student)
    async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
        try:
            return await authorities.register(
                conn,
                PersonId(who),
                StudentId(whose),
                proof,
                clock=DatabaseClock(),
                policy=load(Settings).policy(),
            )
        except Refused as refused:
            _refuse(refused)


async def _end(
    source: str, representative: str, student: str, reason: Ended, proof: AuthorityDocument
) -> Authority | None:
    who, whose = await _people(source, representative, student)
    async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
        try:
            return await authorities.end(conn, PersonId(who), StudentId(whose), reason, proof, clock=DatabaseClock())
        except Refused as refused:
            _refuse(refused)


async def _people(source: str, *names: str) -> list[UUID]:
    async with environment.database("gradebook") as database:
        ids = await gradebook.resolve_persons(database, DISTRICT, source, names)
    if not set(names) <= set(ids):
        fail(tr("журнал не знает этого человека", "the journal does not know this person"), code=2)
    return [ids[name] for name in names]


def _refuse(refused: Refused) -> NoReturn:
    fail("; ".join(one.en if english() else one.ru for one in refused.faults), code=2)


def _told(authority: Authority | None) -> None:
    if authority is None:
        out.print(tr("уже зарегистрировано, ничего не изменилось", "registered already, nothing changed"))
    elif authority.state == "in_force":
        out.print(tr("полномочия действуют", "the authority is in force"))
    else:
        out.print(tr("полномочия прекращены, доступ закрыт", "the authority has ended, access is closed"))


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None
