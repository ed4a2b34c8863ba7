"""`sutki ledger`: who could see what, when, by which route, and on what ground."""

import asyncio
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from services.publisher import proving
from services.publisher.domain.ledger import Head
from services.publisher.domain.ledger_check import Known
from services.publisher.domain.roots import PublicKey
from services.publisher.explaining import Explanation, explain
from services.publisher.proving import Verification
from sutki import environment
from sutki.console import err, fail, out, table
from sutki.texts import english, tr

EXIT_BROKEN = 2
"""Of `verify`: the ledger does not hold; of `explain`: no such result."""

ledger_app = typer.Typer(
    no_args_is_help=True, help=tr("Журнал раскрытия: проверка и выгрузка", "The disclosure ledger: check and export")
)

School = Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе все", "one school; else all"))]


def _head(text: str) -> Head:
    school_id, _, rest = text.partition(":")
    seq, _, digest = rest.partition(":")
    try:
        return Head(UUID(school_id), int(seq), _digest(digest))
    except ValueError as error:
        raise typer.BadParameter(tr("ожидается ШКОЛА:НОМЕР:ХЕШ", "expected SCHOOL:NUMBER:HASH")) from error


def _root(text: str) -> tuple[date, bytes]:
    day, _, digest = text.partition(":")
    try:
        return date.fromisoformat(day), _digest(digest)
    except ValueError as error:
        raise typer.BadParameter(tr("ожидается ГГГГ-ММ-ДД:ХЕШ", "expected YYYY-MM-DD:DIGEST")) from error


def _key(text: str) -> PublicKey:
    try:
        return PublicKey(_digest(text))
    except ValueError as error:
        raise typer.BadParameter(
            tr("ожидается открытый ключ: 64 шестнадцатеричных знака", "expected a public key: 64 hexadecimal digits")
        ) from error


def _digest(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != 32:
        raise ValueError("not 32 bytes")
    return raw


@ledger_app.command("verify")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help=tr("выгрузка; без неё проверяется база", "an export; else the database")
        ),
    ] = None,
    school: School = None,
    key: Annotated[
        list[Any] | None,
        typer.Option(
            parser=_key,
            metavar="HEX",
            help=tr("доверять только этим открытым ключам", "trust these public keys only; may be repeated"),
        ),
    ] = None,
    head: Annotated[
        list[Any] | None,
        typer.Option(
            parser=_head,
            metavar="SCHOOL:SEQ:HASH",
            help=tr("запись, известная из другого места", "an entry known from elsewhere; may be repeated"),
        ),
    ] = None,
    root: Annotated[
        list[Any] | None,
        typer.Option(
            parser=_root,
            metavar="DAY:DIGEST",
            help=tr("корень дня, известный из другого места", "a day's root known from elsewhere; may be repeated"),
        ),
    ] = None,
) -> None:
    """Проверить цепочку, корни и подписи / check the chain: exit code 0 if whole, 2 with each place where it is not."""
    known = Known(heads=head or (), roots=dict(root or ()), keys=key or None)

    async def check() -> Verification:
        if file is not None:
            return await proving.verify_file(file, known)
        async with environment.database("publisher") as database:
            return await proving.verify_database(database, school, known)

    result = asyncio.run(check())
    if not result.holds:
        _tell_faults(result)
        raise typer.Exit(EXIT_BROKEN)
    _tell_whole(result)


def _tell_faults(result: Verification) -> None:
    for fault in result.faults:
        where = []
        if fault.line is not None:
            where.append(tr(f"строка {fault.line}", f"line {fault.line}"))
        if fault.school_id is not None:
            where.append(tr(f"школа {fault.school_id}", f"school {fault.school_id}"))
        if fault.seq is not None:
            where.append(tr(f"запись {fault.seq}", f"entry {fault.seq}"))
        said = fault.en if english() else fault.ru
        err.print(f"{', '.join(where)}: {said}" if where else said, style="red", markup=False, soft_wrap=True)
    if (more := result.faults_in_all - len(result.faults)) > 0:
        err.print(tr(f"… и ещё {more}", f"… and {more} more"), style="red")


def _tell_whole(result: Verification) -> None:
    out.print(
        tr(
            f"цепочка цела: записей {result.entries}, школ {result.schools}",
            f"the chain is whole: {result.entries} entries, {result.schools} schools",
        )
    )
    if result.last_root is None:
        out.print(tr("подписанных корней нет", "there are no signed roots"))
        return
    day, digest = result.last_root
    keys = ", ".join(sorted(result.keys))
    out.print(
        tr(
            f"подписано по {day} включительно, ключи: {keys}; после — записей: {result.unsealed}",
            f"signed up to {day}, keys: {keys}; entries after it: {result.unsealed}",
        ),
        soft_wrap=True,
    )
    out.print(tr("сохраните для следующей проверки", "keep for the next check") + ":", markup=False)
    out.print(f"--root {day}:{digest.hex()}", markup=False, soft_wrap=True)


@ledger_app.command("export")
def export(file: Path, school: School = None) -> None:
    """Выгрузить для проверки без базы / write it as lines of JSON, to be checked anywhere."""

    async def write() -> int:
        async with environment.database("publisher") as database:
            return await proving.export_file(database, file, school)

    out.print(tr("строк: ", "lines: ") + str(asyncio.run(write())))


@ledger_app.command("explain")
def explain_command(
    result: UUID,
    as_json: Annotated[bool, typer.Option("--json", help=tr("для программ", "for programs"))] = False,
    proof: Annotated[
        Path | None,
        typer.Option(
            help=tr("записать доказательство; проверит `sutki ledger verify`", "write the proof for `ledger verify`")
        ),
    ] = None,
) -> None:
    """Кто мог видеть результат, когда, как и на каком основании / who could see a result; exit code 2 if unknown."""

    async def find() -> Explanation | None:
        async with environment.database("publisher") as database:
            return await explain(database, result)

    found = asyncio.run(find())
    if found is None:
        fail(tr(f"результат {result} неизвестен", f"result {result} is not known here"), code=EXIT_BROKEN)
    if proof is not None:
        proof.write_bytes(b"".join(found.proof.lines()))
    if as_json:
        typer.echo(json.dumps(as_data(found), ensure_ascii=False, indent=2))
        return
    out.print(tr(f"Результат {result}", f"Result {result}"), markup=False)
    out.print(
        tr(
            f"школа {found.school_id}, ученик {found.student_id}",
            f"school {found.school_id}, student {found.student_id}",
        )
    )
    out.print(_entries(found))
    if found.obligations:
        out.print(_obligations(found))
    out.print(_sealed(found), markup=False, soft_wrap=True)


def as_data(found: Explanation) -> dict[str, Any]:
    """The explanation as JSON has it; the proof's lines are those of the file."""
    return {
        "result_id": str(found.result_id),
        "school_id": str(found.school_id) if found.school_id else None,
        "student_id": str(found.student_id) if found.student_id else None,
        "entries": found.entries,
        "closings": found.closings,
        "obligations": [
            {
                "value_revision": one.value_revision,
                "recipient_id": str(one.recipient_id),
                "route": one.route,
                "moved_reason": one.moved_reason,
                "state": one.state,
                "due_at": one.due_at.isoformat(),
                "available_at": one.available_at.isoformat() if one.available_at else None,
                "late": one.late,
                "overdue_at": one.overdue_at.isoformat() if one.overdue_at else None,
            }
            for one in found.obligations
        ],
        "proof": [json.loads(line) for line in found.proof.lines()],
    }


_KINDS = {
    "available": ("доступен", "available"),
    "closed": ("согласие окончилось", "consent ended"),
    "visible_before_closed": ("был виден до отзыва", "had been visible before consent ended"),
    "moved": ("перешёл на бумагу", "moved to paper"),
    "emailed": ("письмо отправлено", "e-mail sent"),
    "bounced": ("письмо не доставлено", "e-mail bounced"),
    "unsubscribed": ("отказался от писем", "unsubscribed from e-mail"),
    "fell_to_paper": ("сообщение не дошло, уходит на бумагу", "message failed, goes to paper"),
    "pushed": ("уведомление отправлено", "push sent"),
    "printed": ("напечатан", "printed"),
    "handed_over": ("выдан", "handed over"),
    "overdue": ("просрочен", "overdue"),
    "released_by_clock": ("открыт по часам", "released by the clock"),
}
_ROUTES = {
    "screen": ("на экране", "on the screen"),
    "paper": ("на бумаге", "on paper"),
    "with_representative": ("вместе с представителем", "with a representative"),
}
_LATE = {
    "no": ("в срок", "in time"),
    "by_us": ("опоздал по нашей вине", "late by us"),
    "at_source": ("опоздал у источника", "late at source"),
}
_STATES = {
    "open": ("ждёт", "owed"),
    "available": ("выполнено", "met"),
    "superseded": ("заменено исправлением", "superseded by a correction"),
    "cancelled": ("отменено", "cancelled"),
}
_REASONS = {
    "not_acknowledged": ("экран не подтвердил", "the screen did not acknowledge"),
    "consents_stale": ("согласия не обновлялись", "the view of consents was stale"),
}
# In this order: the instant at which it happened, rather than the one at which it was written down.
_INSTANTS = ("available_at", "visible_at", "printed_at", "handed_over_at", "effective_from", "noted_at")


def _word(words: dict[str, tuple[str, str]], name: str) -> str:
    return tr(*words[name]) if name in words else name


def _entries(found: Explanation) -> Table:
    shown = table(
        tr("Кто мог видеть", "Who could see it"),
        tr("когда (UTC)", "when (UTC)"),
        tr("что", "what"),
        tr("кто", "who"),
        tr("версия", "version"),
        tr("как и на каком основании", "how, and on what ground"),
        tr("запись", "entry"),
    )
    for one in sorted([*found.entries, *found.closings], key=lambda entry: (_when(entry), entry["seq"])):
        shown.add_row(
            f"{datetime.fromisoformat(_when(one)):%Y-%m-%d %H:%M:%S}",
            _word(_KINDS, one["kind"]),
            one.get("recipient_id", ""),
            str(one.get("value_revision", "")),
            "; ".join(_details(one)),
            str(one["seq"]),
        )
    return shown


def _when(entry: dict[str, Any]) -> str:
    return next(str(entry[name]) for name in _INSTANTS if name in entry)


def _details(entry: dict[str, Any]) -> list[str]:
    told = []
    if "route" in entry:
        told.append(_word(_ROUTES, entry["route"]))
    if "consent_id" in entry:
        consent, revision = entry["consent_id"], entry["consent_revision"]
        told.append(tr(f"согласие {consent}, редакция {revision}", f"consent {consent}, revision {revision}"))
    if "extract_number" in entry:
        told.append(tr(f"выписка {entry['extract_number']}", f"extract {entry['extract_number']}"))
    if "served_with" in entry:
        told.append(tr(f"через {entry['served_with']}", f"through {entry['served_with']}"))
    if "late" in entry:
        told.append(_word(_LATE, entry["late"]))
    if "reason" in entry:
        told.append(_word(_REASONS, entry["reason"]))
    if "way" in entry:
        told.append(str(entry["way"]))
    return told


def _obligations(found: Explanation) -> Table:
    shown = table(
        tr("Что должны", "What is owed"),
        tr("кому", "to whom"),
        tr("версия", "version"),
        tr("состояние", "state"),
        tr("маршрут", "route"),
        tr("срок (UTC)", "due (UTC)"),
    )
    for one in found.obligations:
        moved = f" ({_word(_REASONS, one.moved_reason)})" if one.moved_reason else ""
        state = _word(_STATES, one.state) + (f", {_word(_KINDS, 'overdue')}" if one.overdue_at else "")
        shown.add_row(
            str(one.recipient_id),
            str(one.value_revision),
            state,
            _word(_ROUTES, one.route) + moved,
            f"{one.due_at:%Y-%m-%d %H:%M}",
        )
    return shown


def _sealed(found: Explanation) -> str:
    days = sorted({one["sealed_on"] for one in found.entries if one["sealed_on"]})
    open_still = sum(one["sealed_on"] is None for one in found.entries)
    if not days:
        return tr("подписанного корня над этими записями ещё нет", "no signed root covers these entries yet")
    keys = ", ".join(found.proof.key_ids)
    return tr(
        f"под подписанными корнями: {', '.join(days)} (ключи {keys}); ещё не подписано записей: {open_still}",
        f"under the signed roots of {', '.join(days)} (keys {keys}); entries not signed yet: {open_still}",
    )
