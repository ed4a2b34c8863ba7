"""The report of an import: what was taken, and exactly what was not and why."""

from dataclasses import dataclass, field
from typing import Any

from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code, RejectionLanguage, text

KEPT_REJECTIONS = 10_000
"""So many are listed one by one; beyond it they are only counted, so that a hostile file cannot fill the memory."""

EXIT_ALL_TAKEN = 0
EXIT_NOTHING_DONE = 1
EXIT_SOME_REJECTED = 2


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row, or a whole file or archive, that was not taken. Never holds the value: it may be personal."""

    file: str
    line: int | None
    """From 1, the header included; None: the file as a whole."""
    field: str
    """The column; empty when no single one is at fault."""
    code: Code

    def reason(self, language: RejectionLanguage = "ru") -> str:
        """The reason for a person."""
        return text(self.code, language)


@dataclass
class Counts:
    """Rows of one kind."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass
class Report:
    """What an import did, or with `dry_run` would do."""

    dry_run: bool = False
    counts: dict[RecordKind, Counts] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    rejected: int = 0
    """All rejections, listed or not, those of whole files included."""
    ignored_files: list[str] = field(default_factory=list)
    """Files whose names mean nothing here."""

    def of(self, kind: RecordKind) -> Counts:
        """The counts of a kind."""
        return self.counts.setdefault(kind, Counts())

    def reject(self, rejection: Rejection, kind: RecordKind | None = None) -> None:
        """Notes a rejection; with the kind of the row when it is known."""
        self.rejected += 1
        if kind is not None:
            self.of(kind).rejected += 1
        if len(self.rejections) < KEPT_REJECTIONS:
            self.rejections.append(rejection)

    @property
    def taken(self) -> int:
        """Rows that are in the journal."""
        return sum(count.added + count.changed + count.unchanged for count in self.counts.values())

    @property
    def exit_code(self) -> int:
        """0: everything was taken; 2: something was rejected and the rest taken; 1: nothing could be done."""
        if not self.rejected:
            return EXIT_ALL_TAKEN
        return EXIT_SOME_REJECTED if self.taken else EXIT_NOTHING_DONE

    def as_json(self) -> dict[str, Any]:
        """The report for programs, with the reasons in both languages."""
        return {
            "dry_run": self.dry_run,
            "exit_code": self.exit_code,
            "counts": {
                str(kind): {
                    "added": count.added,
                    "changed": count.changed,
                    "unchanged": count.unchanged,
                    "rejected": count.rejected,
                }
                for kind, count in self.counts.items()
            },
            "rejected": self.rejected,
            "rejections": [
                {
                    "file": item.file,
                    "line": item.line,
                    "field": item.field,
                    "code": str(item.code),
                    "reason": {"ru": item.reason("ru"), "en": item.reason("en")},
                }
                for item in self.rejections
            ],
            "ignored_files": self.ignored_files,
        }
