"""The secretary's lists as a person reads them: in order, and as a table for a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.clock import Clock
from chassis.database import Connection
from contracts.base import SchoolId
from services.consent import list_queries, model
from services.consent.list_queries import List, ListedPair, PairKey, Wanted
from services.consent.model import Policy

FIRST: PairKey = (UUID(int=0), UUID(int=0))
CSV_PAGE = 2000

_DECISIONS = {"given": "согласие", "refused": "несогласие", "withdrawn": "отзыв", "unanswered": "нет ответа"}
_KINDS = {"parent": "родитель", "guardian": "опекун", "other": "другой представитель", "student": "сам обучающийся"}
_AGREEMENTS = {
    None: "",
    "due": "ожидается",
    "missing": "не получено в срок",
    "given": "получено",
    "taken_back": "отозвано",
}
_HEADER = (
    "Класс",
    "Обучающийся",
    "Кто решает",
    "Кем приходится",
    "Полномочия",
    "Полномочия до",
    "Личный кабинет",
    "Письма",
    "Уведомления",
    "Нет интернета",
    "Дата решения",
    "Спросить заново",
    "Согласие обучающегося",
)
_FORMULA = re.compile(r"^[\s]*[=+\-@]")


def in_order(pairs: Iterable[ListedPair]) -> list[ListedPair]:
    """By class, then by name: 2А before 10А."""
    return sorted(
        pairs,
        key=lambda one: (
            _class_order(one.class_name),
            one.student_name.casefold(),
            one.student_id,
            one.representative_name.casefold(),
            one.representative_id,
        ),
    )


def _class_order(name: str) -> tuple[int, str]:
    number = re.match(r"\d+", name)
    return (int(number.group()) if number else 0), name.casefold()


def beginnings(query: str) -> list[str]:
    """What is looked for: words in lower case, ё as е, without anything that means something to a pattern."""
    return re.findall(r"[^\W_]+", query.casefold().replace("ё", "е"))


async def wanted(
    conn: Connection, school_id: SchoolId, kind: List, clock: Clock, policy: Policy, *, days: int
) -> Wanted:
    """A school's list as of now; `days` is how far ahead an end of authority is looked for."""
    now = await clock.now(conn)
    return Wanted(
        school_id=school_id,
        adult_born_by=model.born_by(model.local_day(now, policy), policy.adult_from_years),
        now=now,
        kind=kind,
        ending_by=now + timedelta(days=days),
    )


async def whole(conn: Connection, asked: Wanted) -> list[ListedPair]:
    """Every pair of a list, in order."""
    found: list[ListedPair] = []
    after = FIRST
    while True:
        page = await list_queries.pairs(conn, asked, after, CSV_PAGE)
        found += page
        if len(page) < CSV_PAGE:
            return in_order(found)
        after = (page[-1].representative_id, page[-1].student_id)


def as_csv(pairs: Sequence[ListedPair], policy: Policy) -> str:
    """The list as a spreadsheet in Russian opens it: a mark of UTF-8, `;`, and no text that could be a formula."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(_HEADER)
    zone = ZoneInfo(policy.time_zone)
    for one in pairs:
        writer.writerow(
            _harmless(cell)
            for cell in (
                one.class_name,
                one.student_name,
                one.representative_name,
                _KINDS.get(one.kind, one.kind),
                "прекращены" if one.authority == "ended" else "действуют",
                f"{one.valid_until:%d.%m.%Y}" if one.valid_until else "",
                _DECISIONS[one.cabinet],
                _DECISIONS[one.email],
                _DECISIONS[one.push],
                "да" if one.no_internet else "",
                f"{one.decided_at.astimezone(zone):%d.%m.%Y}" if one.decided_at else "",
                "да" if one.renewal_needed else "",
                _AGREEMENTS[one.agreement],
            )
        )
    return "\ufeff" + out.getvalue()


def _harmless(cell: str) -> str:
    """A text that a spreadsheet takes for a text, whatever it begins with."""
    return f"'{cell}" if _FORMULA.match(cell) or cell.startswith(("\t", "\r")) else cell
