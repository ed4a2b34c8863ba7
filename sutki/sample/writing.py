"""Writes the sample as the files that schools would send, and a manifest that says which file is which step."""

import json
from pathlib import Path
from typing import Any

from sutki.sample.district import SOURCE, District
from sutki.sample.oneroster import OneRoster, Version
from sutki.sample.plain import Plain
from sutki.sample.records import Account, Consent, Withdrawal
from sutki.sample.tables import cell, table, write_folder, write_zip

STEPS = ("base", "marks", "finals", "exams")
"""In this order the files are imported."""


def write(district: District, folder: Path) -> Path:
    """Writes the whole district.

    The last school keeps its journal in plain CSV, a folder per step; of the others every first writes OneRoster 1.1
    and every second 1.2, an archive per step.

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
    school = district.schools[index]
    writer = Plain(district, school)
    for step in STEPS:
        write_folder(folder / school.school_id / step, getattr(writer, step)())
        steps[step].append({"school": school.school_id, "format": "csv", "path": f"{school.school_id}/{step}"})


def _oneroster(
    district: District, index: int, folder: Path, steps: dict[str, list[dict[str, str]]], version: Version
) -> None:
    school = district.schools[index]
    writer = OneRoster(district, school, version)
    for step in STEPS:
        path = f"{school.school_id}/{step}.zip"
        write_zip(folder / path, getattr(writer, step)())
        steps[step].append({"school": school.school_id, "format": f"oneroster-{version}", "path": path})


def _manifest(district: District, steps: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    return {
        "seed": district.seed,
        "base": cell(district.base),
        "source": SOURCE,
        "steps": [{"step": step, "files": steps[step]} for step in STEPS],
        "consents": "consents.csv",
        "withdrawals": "withdrawals.csv",
        "accounts": "accounts.csv",
        "counts": {
            "schools": len(district.schools),
            "students": sum(person.role == "student" for person in district.people),
            "people": len({person.person_id for person in district.people}),
            "representations": len(district.representatives),
            "groups": len(district.groups),
            "marks": len(district.marks),
            "final_grades": len(district.final_grades),
            "exam_results": len(district.exam_results),
            "consents": len(district.consents),
            "withdrawals": len(district.withdrawals),
            "accounts": len(district.accounts),
        },
    }
