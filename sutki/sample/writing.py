"""Writes the sample as the files that schools would send, and a manifest that says which file is which step."""

import json
from pathlib import Path
from typing import Any

from sutki.sample.district import SOURCE, District
from sutki.sample.journal_records import Deferral, Unassessed
from sutki.sample.oneroster import OneRoster, Version
from sutki.sample.plain import Plain
from sutki.sample.records import Account, Consent, School, Withdrawal
from sutki.sample.tables import cell, table, write_folder, write_zip

STEPS = ("base", "journal", "marks", "finals", "exams")
"""In this order the files are imported."""


def write(district: District, folder: Path) -> Path:
    """Writes the whole district.

    The last school keeps its journal in plain CSV, a folder per step; of the others every first writes OneRoster 1.1
    and every second 1.2, an archive per step, with plain CSV beside it for what OneRoster has no place for.

    Args:
        district: what `generate` made.
        folder: made if it is missing; files of the same names are replaced.

    Returns:
        The path of `manifest.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps: dict[str, list[dict[str, str]]] = {step: [] for step in STEPS}
    for index in range(len(district.schools)):
        if index == len(district.schools) - 1:
            _plain(district, index, folder, steps)
        else:
            _oneroster(district, index, folder, steps, "1.1" if index % 2 == 0 else "1.2")
    tables = {
        "deferrals.csv": table(Deferral._fields, district.deferrals),
        "not_assessed.csv": table(Unassessed._fields, district.not_assessed),
        "consents.csv": table(Consent._fields, district.consents),
        "withdrawals.csv": table(Withdrawal._fields, district.withdrawals),
        "accounts.csv": table(Account._fields, district.accounts),
    }
    write_folder(folder, tables)
    manifest = folder / "manifest.json"
    text = json.dumps(_manifest(district, steps), ensure_ascii=False, indent=2)
    manifest.write_text(text + "\n", encoding="utf-8")
    return manifest


def _plain(district: District, index: int, folder: Path, steps: dict[str, list[dict[str, str]]]) -> None:
    writer = Plain(district, district.schools[index])
    for step in STEPS:
        _folder(district.schools[index], folder, steps[step], step, getattr(writer, step)())
        if step == "base":
            _folder(district.schools[index], folder, steps[step], "timetable", writer.timetable())


def _oneroster(
    district: District, index: int, folder: Path, steps: dict[str, list[dict[str, str]]], version: Version
) -> None:
    school = district.schools[index]
    writer, beside = OneRoster(district, school, version), Plain(district, school, beside_oneroster=True)
    for step in STEPS:
        if step == "journal":
            _folder(school, folder, steps[step], step, beside.journal())
            continue
        path = f"{school.school_id}/{step}.zip"
        write_zip(folder / path, getattr(writer, step)())
        steps[step].append({"school": school.school_id, "format": f"oneroster-{version}", "path": path})
        if step == "base":
            _folder(school, folder, steps[step], "timetable", beside.timetable())


def _folder(school: School, folder: Path, files: list[dict[str, str]], name: str, content: dict[str, bytes]) -> None:
    """Plain CSV in a folder of its own."""
    path = f"{school.school_id}/{name}"
    write_folder(folder / path, content)
    files.append({"school": school.school_id, "format": "csv", "path": path})


def _manifest(district: District, steps: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    return {
        "seed": district.seed,
        "base": cell(district.base),
        "source": SOURCE,
        "steps": [{"step": step, "files": steps[step]} for step in STEPS],
        "deferrals": "deferrals.csv",
        "not_assessed": "not_assessed.csv",
        "consents": "consents.csv",
        "withdrawals": "withdrawals.csv",
        "accounts": "accounts.csv",
        "counts": {
            "schools": len(district.schools),
            "students": sum(person.role == "student" for person in district.people),
            "people": len({person.person_id for person in district.people}),
            "representations": len(district.representatives),
            "groups": len(district.groups),
            "timetable": len(district.timetable),
            "lessons": len(district.lessons),
            "substitutions": len(district.substitutions),
            "control_works": len(district.control_works),
            "homework": len(district.homework),
            "recommendations": len(district.recommendations),
            "attendance": len(district.attendance),
            "deferrals": len(district.deferrals),
            "marks": len(district.marks),
            "final_grades": len(district.final_grades),
            "exam_results": len(district.exam_results),
            "consents": len(district.consents),
            "withdrawals": len(district.withdrawals),
            "accounts": len(district.accounts),
        },
    }
