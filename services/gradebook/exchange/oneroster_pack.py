"""A OneRoster pack as a whole: which files are there, what the manifest says of them, and which version it is."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.gradebook.exchange.bundle import Bundle, ExchangeError
from services.gradebook.exchange.oneroster_schema import (
    COLUMNS_ONLY_1_2,
    DATA_FILES,
    MANIFEST,
    ONLY_1_2,
    FileSchema,
    Version,
    schema_of,
)
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.table import Row, open_table, read_table, spelling
from services.gradebook.rejections import Code

ANNOUNCED = ("bulk", "delta")
_MODES = (*ANNOUNCED, "absent", "")
_COLUMNS = {"propertyname", "value"}
_ALIASES = {"property": "propertyname", "name": "propertyname"}
_VERSION = re.compile(r"v?\s*(1\.[0-9]+)(?:\.[0-9]+)*")

_CANONICAL = {spelling(name): name for name in (*DATA_FILES, MANIFEST)}


def canonical_name(name: str) -> str | None:
    """The standard's name for a file; None for a file that it does not know."""
    return _CANONICAL.get(spelling(name))


@dataclass
class Manifest:
    """What manifest.csv says."""

    rows: int = 0
    modes: dict[str, str] = field(default_factory=dict)
    """By the standard's file name: bulk, delta, absent, or blank."""
    properties: dict[str, str] = field(default_factory=dict)
    """File name to the property as it is written."""
    version: str = ""
    faults: list[Rejection] = field(default_factory=list)
    """Rows that say nothing certain, and a manifest that is absent or cannot be read."""


class Pack:
    """The files of a bundle, by the standard's names."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.files: dict[str, str] = {}
        """The standard's name to the name in the bundle."""
        self.others: list[str] = []
        """Files that the standard does not know."""
        self.duplicates: list[str] = []
        """Files that another spelling of the name has brought already; the first is read."""
        for name, given in bundle.names().items():
            known = canonical_name(name)
            if known is None:
                self.others.append(given)
            elif known in self.files:
                self.duplicates.append(given)
            else:
                self.files[known] = name
        self.manifest = self._manifest()
        self.version, self.version_fault = self._version()

    @property
    def schema(self) -> dict[str, FileSchema]:
        """The files of this version."""
        return schema_of(self.version)

    def mode(self, name: str) -> str:
        """`bulk` or `delta`. What is not announced counts as bulk, which is the stricter of the two."""
        mode = self.manifest.modes.get(name, "")
        return mode if mode in ANNOUNCED else "bulk"

    def missing(self) -> list[Rejection]:
        """Files that are announced and not there."""
        return [
            Rejection(name, None, self.manifest.properties[name], Code.MISSING_FILE)
            for name, mode in self.manifest.modes.items()
            if mode in ANNOUNCED and name not in self.files
        ]

    def unannounced(self) -> list[Rejection]:
        """Files that are there although the manifest calls them absent or does not name them. A blank says nothing."""
        if MANIFEST not in self.files or not self.manifest.rows:
            return []
        return [
            Rejection(name, None, f"file.{name.removesuffix('.csv')}", Code.NOT_ANNOUNCED)
            for name in DATA_FILES
            if name in self.files and self.manifest.modes.get(name, "absent") == "absent"
        ]

    def _manifest(self) -> Manifest:
        manifest = Manifest()
        if MANIFEST not in self.files:
            manifest.faults.append(Rejection(MANIFEST, None, "", Code.MISSING_FILE))
            return manifest
        seen: set[str] = set()
        for item in read_table(self.bundle, self.files[MANIFEST], required=_COLUMNS, wanted=_COLUMNS, aliases=_ALIASES):
            if isinstance(item, Rejection):
                in_header = item.code == Code.WRONG_HEADER
                manifest.rows += item.line is not None and not in_header
                manifest.faults.append(Rejection(MANIFEST, None if in_header else item.line, item.field, item.code))
                continue
            manifest.rows += 1
            manifest.faults.extend(_property(manifest, item, seen))
        return manifest

    def _version(self) -> tuple[Version, Rejection | None]:
        given = _VERSION.fullmatch(self.manifest.version.strip().lower())
        if given is not None and given[1] == "1.1":
            return "1.1", None
        if given is not None and given[1] == "1.2":
            return "1.2", None
        inferred: Version = "1.2" if self._looks_new() else "1.1"
        if MANIFEST not in self.files or (self.manifest.faults and not self.manifest.modes):
            # That there is no readable manifest is reported already.
            return inferred, None
        code = Code.UNKNOWN_VERSION if self.manifest.version else Code.MISSING_VERSION
        return inferred, Rejection(MANIFEST, None, "oneroster.version", code)

    def _looks_new(self) -> bool:
        if any(name in self.files for name in ONLY_1_2):
            return True
        for name, only_new in COLUMNS_ONLY_1_2.items():
            if name not in self.files:
                continue
            try:
                with open_table(self.bundle, self.files[name], only_new) as table:
                    if table.header.columns:
                        return True
            except ExchangeError:
                # A file that cannot be read says nothing of the version; its own check reports it.
                continue
        return False


def _property(manifest: Manifest, row: Row, seen: set[str]) -> Iterator[Rejection]:
    given = row.cells["propertyname"]
    name, value = spelling(given), row.cells["value"]
    if not name:
        yield Rejection(MANIFEST, row.line, "propertyName", Code.MISSING_VALUE)
        return
    if name in seen:
        yield Rejection(MANIFEST, row.line, given, Code.DUPLICATE_ID)
        return
    seen.add(name)
    if name == "oneroster.version":
        manifest.version = value
    elif name == "manifest.version" and value and value not in ("1.0", "1"):
        # Some write the version of OneRoster here.
        manifest.version = manifest.version or (value if _VERSION.fullmatch(value.lower()) else "")
    elif name.startswith("file.") and (file := canonical_name(f"{name.removeprefix('file.')}.csv")):
        manifest.properties[file] = given
        manifest.modes[file] = value.lower() if value.lower() in _MODES else ""
        if value.lower() not in _MODES:
            yield Rejection(MANIFEST, row.line, given, Code.NOT_IN_VOCABULARY)


Progress = Callable[[str, int], None]
"""Told which file is being looked at and how many rows are done."""
