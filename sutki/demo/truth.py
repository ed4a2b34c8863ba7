"""What must be true at the end, from the sample's files alone: nothing here asks the system."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sutki.demo.journal_truth import JournalTruth, journal_truth
from sutki.sample.district import TIME_ZONE, District


@dataclass(frozen=True)
class Truth:
    """Who may see whom, by the journal's ids."""

    manifest: dict[str, Any]
    representatives: dict[str, set[str]]
    """Student to representatives in force."""
    consenting: set[tuple[str, str]]
    """(representative, student) with consent for the cabinet that was not withdrawn."""
    on_paper: set[tuple[str, str]]
    """(representative, student) whose results must come on paper."""
    mail_addresses: set[str]
    """Addresses of those who consented to e-mail, later withdrawals included: they may have been told before."""
    silent_addresses: set[str]
    """Addresses to which no mail may ever go."""
    accounts: dict[str, tuple[str, str]]
    """Person to login and password."""
    results: int
    """Final grades, exam results, and deferrals, which are told as results too."""
    marks: int
    obligations: int
    """One per result and recipient: every representative in force, and the student."""
    journal: JournalTruth
    """Timetable, lessons, statistics, closing."""

    def may_see(self, reader: str) -> set[str]:
        """The students about whom a person may be shown anything."""
        own = {reader} if any(student == reader for _, student in self.consenting) else set()
        return own | {student for representative, student in self.consenting if representative == reader}


def read(folder: Path, district: District) -> Truth:
    """The truth about a district that was written into a folder."""
    adults = _adults(district)
    representatives: dict[str, set[str]] = {one.person_id: set() for one in district.people if one.role == "student"}
    for row in district.representatives:
        if row.in_force and row.student_id not in adults:
            representatives[row.student_id].add(row.representative_id)
    consents = _rows(folder / "consents.csv")
    withdrawn = {(row["representative_id"], row["student_id"]) for row in _rows(folder / "withdrawals.csv")}
    accounts = {row["person_id"]: (row["login"], row["password"]) for row in _rows(folder / "accounts.csv")}
    given = {pair(row) for row in consents if row["cabinet"] == "given"}
    no_internet = {pair(row) for row in consents if row["no_internet"] == "true"}
    everybody = {(one, student) for student, some in representatives.items() for one in some}
    everybody |= {(student, student) for student in adults}
    consenting = (given & everybody) - withdrawn
    on_screen = {(one, student) for one, student in consenting - no_internet if one in accounts}
    mailed = {row["email_address"] for row in consents if row["email"] == "given"} - {""}
    results = Counter([row.student_id for row in district.final_grades])
    results.update(row.student_id for row in district.exam_results)
    results.update(row.student_id for row in district.deferrals)
    return Truth(
        manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
        representatives=representatives,
        consenting=consenting,
        on_paper=everybody - on_screen,
        mail_addresses=mailed,
        silent_addresses={row["email_address"] for row in consents} - mailed - {""},
        accounts=accounts,
        results=results.total(),
        marks=len(district.marks),
        obligations=sum(count * (1 + len(representatives[one])) for one, count in results.items()),
        journal=journal_truth(district),
    )


def _adults(district: District) -> set[str]:
    """Students who decide for themselves: from their eighteenth birthday at the school's midnight."""
    today = district.base.astimezone(ZoneInfo(TIME_ZONE)).date()
    return {one.person_id for one in district.people if one.role == "student" and _years(one.birth_date, today) >= 18}


def _years(born: date | None, day: date) -> int:
    if born is None:
        return 0
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def pair(row: dict[str, str]) -> tuple[str, str]:
    """The pair that a row of consents or withdrawals is about."""
    return row["representative_id"], row["student_id"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
