"""The preview: what was understood of a file, in numbers, without a journal."""

from collections import Counter
from typing import Any

from services.gradebook.exchange.mapped.facts import KINDS, Absence, Final, Mark, Place, Student, Understood
from services.gradebook.exchange.mapped.reading import dates_of
from services.gradebook.exchange.mapped.words import key
from services.gradebook.rejections import text


def place_as_text(place: Place) -> str:
    """`Лист1!B7`, `B7`, or the path in JSON."""
    return f"{place.sheet}!{place.cell}" if place.sheet and place.cell else place.sheet or place.cell


def students_of(understood: Understood) -> dict[str, Student]:
    """The students of a file, by name or id and class."""
    found: dict[str, Student] = {}
    for fact in understood.facts:
        student = getattr(fact, "student", None)
        if isinstance(student, Student):
            found.setdefault("\x1f".join((student.external_id, key(student.name), key(student.class_name))), student)
    return found


def subjects_of(understood: Understood) -> list[str]:
    """The subjects of a file."""
    titles = {key(fact.subject): fact.subject for fact in understood.facts if hasattr(fact, "subject")}
    return sorted(titles.values(), key=key)


def summary(understood: Understood) -> dict[str, Any]:
    """The preview for programs. Names of students are left out: what is printed may be kept."""
    dates = dates_of(understood)
    facts = understood.facts
    compared = [total for total in understood.totals if total.computed is not None]
    finals = [fact for fact in facts if isinstance(fact, Final)]
    return {
        "file": understood.file,
        "kind": understood.kind,
        "map": understood.map_name,
        "remarks": understood.remarks,
        "sheets": [
            {
                "name": sheet.name,
                "hidden": sheet.hidden,
                "taken": sheet.taken,
                "blocks": sheet.blocks,
                "hidden_rows": sheet.hidden_rows,
            }
            for sheet in understood.sheets
        ],
        "students": len(students_of(understood)),
        "subjects": subjects_of(understood),
        "dates": None if dates is None else [dates[0].isoformat(), dates[1].isoformat()],
        "facts": {name: count for kind, name in KINDS.items() if (count := sum(type(fact) is kind for fact in facts))},
        "marks": dict(sorted(Counter(fact.value for fact in facts if isinstance(fact, Mark)).items())),
        "absences": dict(sorted(Counter(fact.code for fact in facts if isinstance(fact, Absence)).items())),
        "final_grades": dict(sorted(Counter(fact.value for fact in finals).items())),
        "periods": sorted({f"{fact.period.kind} {fact.period.number} {fact.school_year}" for fact in finals}),
        "debts": understood.debts,
        "no_marks": understood.no_marks,
        "totals": {
            "found": len(understood.totals),
            "compared": len(compared),
            "equal": sum(not total.differs for total in compared),
            "differences": [
                {
                    "place": place_as_text(total.place),
                    "kind": str(total.kind),
                    "stated": str(total.stated),
                    "computed": f"{total.computed:.4f}".rstrip("0").rstrip("."),
                }
                for total in compared
                if total.differs and total.computed is not None
            ],
        },
        "unread": understood.unread_count,
        "unread_places": [
            {
                "sheet": item.place.sheet,
                "cell": item.place.cell,
                "line": item.place.row,
                "field": item.field,
                "code": str(item.code),
                "reason": {"ru": text(item.code, "ru"), "en": text(item.code, "en")},
            }
            for item in understood.unread
        ],
    }
