"""What must be true at the end, from the sample's files alone: nothing here asks the system."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sutki.sample.district import District


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
    marks: int

    @property
    def obligations(self) -> int:
        """One per result and recipient: every representative in force, and the student."""
        return self._obligations

    _obligations: int = 0

    def may_see(self, reader: str) -> set[str]:
        """The students about whom a person may be shown anything."""
        own = {reader} if any(student == reader for _, student in self.consenting) else set()
        return own | {student for representative, student in self.consenting if representative == reader}


def read(folder: Path, district: District) -> Truth:
    """The truth about a district that was written into a folder."""
    representatives: dict[str, set[str]] = {}
    for row in district.representatives:
        if row.in_force:
            representatives.setdefault(row.student_id, set()).add(row.representative_id)
    consents = _rows(folder / "consents.csv")
    withdrawn = {(row["representative_id"], row["student_id"]) for row in _rows(folder / "withdrawals.csv")}
    accounts = {row["person_id"]: (row["login"], row["password"]) for row in _rows(folder / "accounts.csv")}
    given = {pair(row) for row in consents if row["cabinet"] == "given"}
    no_internet = {pair(row) for row in consents if row["no_internet"] == "true"}
    everybody = {(one, student) for student, some in representatives.items() for one in some}
    consenting = (given & everybody) - withdrawn
    on_screen = {(one, student) for one, student in consenting - no_internet if one in accounts}
    mailed = {row["email_address"] for row in consents if row["email"] == "given"} - {""}
    results: dict[str, int] = {}
    for student_id in [row.student_id for row in district.final_grades] + [r.student_id for r in district.exam_results]:
        results[student_id] = results.get(student_id, 0) + 1
    return Truth(
        manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
        representatives=representatives,
        consenting=consenting,
        on_paper=everybody - on_screen,
        mail_addresses=mailed,
        silent_addresses={row["email_address"] for row in consents} - mailed - {""},
        accounts=accounts,
        results=sum(results.values()),
        marks=len(district.marks),
        _obligations=sum(count * (1 + len(representatives.get(one, ()))) for one, count in results.items()),
    )


def pair(row: dict[str, str]) -> tuple[str, str]:
    """The pair that a row of consents or withdrawals is about."""
    return row["representative_id"], row["student_id"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
