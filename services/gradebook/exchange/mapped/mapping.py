"""The map of a table: a TOML file that says where what stands. `docs/mapped-tables.md` describes it for people."""

import re
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from contracts.values import WorkType
from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.mapped.words import letters
from services.gradebook.rejections import Code

MAX_MAP_BYTES = 256 * 1024
CONTEXT_GROUPS = frozenset({"student", "student_id", "class", "subject", "period", "school_year", "from", "to"})
"""What the texts above a table may tell."""

_MAX_PATTERN = 400
_PATH = re.compile(r"(?:\$|[a-z_][a-z0-9_]*)(?:\.[^.\[\]]+|\[(?:\d{1,6}|\*)\])*", re.IGNORECASE)
_BINDING = re.compile(rf"[a-z_][a-z0-9_]*\s*=\s*{_PATH.pattern}", re.IGNORECASE)


def _pattern(value: object) -> object:
    if isinstance(value, str) and len(value) <= _MAX_PATTERN:
        try:
            return re.compile(value, re.IGNORECASE | re.MULTILINE)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
    raise ValueError(f"a regular expression of at most {_MAX_PATTERN} characters")


Pattern: TypeAlias = Annotated[re.Pattern[str], BeforeValidator(_pattern)]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class About(_Rules):
    """What the map is for."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    title_ru: str = ""
    title_en: str = ""


class SheetRules(_Rules):
    """Which sheets are read."""

    names: list[str] = ["*"]
    """Names with `*` and `?`, without case."""
    skip: list[str] = ["пояснени*", "инструкци*", "справк*"]
    """Sheets that only explain."""
    hidden: bool = False
    hidden_rows: bool = True


class Header(_Rules):
    """Where the header of a table is: a fixed row, or every row with a cell that fits `find`."""

    row: int | None = Field(default=None, ge=1)
    find: Pattern | None = None
    depth: int = Field(default=1, ge=1, le=4)
    """Rows of the header; where the key's own cell is merged over several rows, those."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.row is None) == (self.find is None):
            raise ValueError("either row or find")
        return self


ColumnUse: TypeAlias = Literal[
    "skip", "average", "count", "absences", "final", "student", "student_id", "class", "subject", "date", "mark",
    "period", "work", "weight", "topic", "number", "weekday", "starts", "ends", "room", "teacher", "birth_date",
    "adult", "relation", "hours", "homework", "due", "school_year", "lesson_type",
]  # fmt: skip


class Column(_Rules):
    """What columns whose header fits are for. The first rule that fits holds."""

    match: Pattern
    use: ColumnUse
    period: str = ""
    """Of a final grade, where the header does not name it."""
    order: int = 1
    """Of several adults, which one the column is about."""


class Table(_Rules):
    """One form of table within the file."""

    rows: Literal["subject", "student", "record"]
    """What each row is about: a subject of one student, a student, or whatever its columns say."""
    record: Literal["mark", "final", "pupil", "timetable", "hours", "homework", "absence", "lesson"] | None = None
    """What a row is, with `rows = "record"`."""
    header: Header
    key: Pattern | None = None
    """The header of the column that names the row's subject or student."""
    columns: list[Column] = []
    days: bool = False
    """Further columns that have a date in their header hold the day's marks."""
    grouped: Literal["", "subject"] = ""
    """`subject`: the upper line of the header names the subject of the days below it."""
    others: Literal["unread", "skip", "subject", "period"] = "unread"
    """What remaining columns with a header are: nothing known, nothing wanted, or final grades by subject or period."""
    filled: list[ColumnUse] = []
    """Of `record` rows: a row in which none of these has a value is an empty line of a form."""
    stop: list[Pattern] = []
    """Rows whose key fits end the block."""
    skip: list[Pattern] = []
    """Rows whose key fits are passed over."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.rows == "record") != (self.record is not None):
            raise ValueError('record goes with rows = "record", and only with it')
        if self.rows != "record" and self.key is None:
            raise ValueError("key is needed")
        return self


class Cells(_Rules):
    """What stands in the cells of marks."""

    absences: dict[str, Literal["н", "б", "у", "оп"]] = {"н": "н", "б": "б", "у": "у", "оп": "оп"}
    """Codes, without case; Latin look-alikes are the Cyrillic letters."""
    nothing: list[str] = ["-", "–", "—", "б/о"]
    """What means that there is no mark."""
    words: dict[str, Literal["зач", "незач", "н/а", "осв"]] = {
        "зач": "зач", "зачет": "зач", "зачтено": "зач", "незач": "незач", "незачет": "незач", "н/з": "незач",
        "н/а": "н/а", "осв": "осв",
    }  # fmt: skip
    debt: str = "."
    """Stands for a mark that is still owed."""
    run_of_digits: bool = True
    """`45` is a 4 and a 5."""
    signs: Literal["unread", "drop"] = "unread"
    """`5-` and `4+`: not understood, or the mark without its sign."""

    def codes(self) -> dict[str, tuple[str, str]]:
        """All codes as they are compared, to what they are and mean; longest first."""
        found: dict[str, tuple[str, str]] = {}
        found |= {letters(code): ("nothing", "") for code in self.nothing}
        found |= {letters(code): ("absence", meaning) for code, meaning in self.absences.items()}
        found |= {letters(code): ("mark", meaning) for code, meaning in self.words.items()}
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))


class Work(_Rules):
    """What marks were given for, by the text of a header, of a comment, or of a column."""

    match: Pattern
    type: WorkType
    weight: Decimal | None = Field(default=None, gt=0, le=10, decimal_places=2)


class Students(_Rules):
    """How students are named and found."""

    given_first: bool = False
    create: bool = False
    """Makes people, and the class, where the journal has none: only for a class list."""


class Subjects(_Rules):
    """How subjects are found."""

    create: bool = False
    aliases: dict[str, str] = {}
    """The table's name to the journal's."""


class Finals(_Rules):
    """Final grades."""

    obtained_at: Literal["period_end", "import"] = "period_end"
    """When they came to be, which no report says: at the end of the period's last day, if that is past; or now."""
    held: bool = False


class JsonItem(_Rules):
    """One kind of fact in a JSON file."""

    fact: Literal["mark", "absence", "homework", "lesson", "final"]
    each: list[str]
    """Names bound one after another: `day = $.weekDays[*]`, `lesson = day.lessons[*]`."""
    fields: dict[str, str]
    """Field to path: `date = "day.date"`; a text in apostrophes is meant as it is."""
    has: list[str] = []
    """Paths that must lead to a value other than null."""
    when: dict[str, list[str | int | bool]] = {}
    unless: dict[str, list[str | int | bool]] = {}
    values: dict[str, dict[str, str]] = {}
    """Field to what its values mean."""

    @model_validator(mode="after")
    def _paths(self) -> Self:
        paths = [path for path in self.fields.values() if not path.startswith("'")]
        wrong = [path for path in [*paths, *self.has, *self.when, *self.unless] if not _PATH.fullmatch(path)]
        wrong += [binding for binding in self.each if not _BINDING.fullmatch(binding)]
        if wrong:
            raise ValueError(f"not a path: {', '.join(wrong)}")
        return self


class Map(_Rules):
    """A whole map."""

    map: About
    sheets: SheetRules = SheetRules()
    context: list[Pattern] = []
    """Patterns over the texts above a table, and the sheet's name, with the named groups below."""
    sheet_context: list[Pattern] = []
    """The same over the name of the sheet."""
    tables: list[Table] = []
    json_items: list[JsonItem] = Field(default=[], alias="json")
    cells: Cells = Cells()
    works: list[Work] = []
    default_work: WorkType = WorkType.ANSWER
    students: Students = Students()
    subjects: Subjects = Subjects()
    finals: Finals = Finals()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.tables and not self.json_items:
            raise ValueError("tables or json is needed")
        for pattern in [*self.context, *self.sheet_context]:
            names = set(pattern.groupindex)
            if not names or names - CONTEXT_GROUPS:
                raise ValueError(f"named groups are needed, of: {', '.join(sorted(CONTEXT_GROUPS))}")
        return self


class MapError(ExchangeError):
    """A map is wrong."""

    def __init__(self, file: str, details: list[str]) -> None:
        super().__init__(Code.BAD_MAP, file)
        self.details = details


def parse_map(text: str, file: str) -> Map:
    """A map from its text.

    Raises:
        MapError: it is no TOML, or not a map; the details say where.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
        return Map.model_validate(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MapError(file, [str(error)]) from None
    except ValidationError as error:
        places = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors(include_url=False)
        ]
        raise MapError(file, places) from None


def shipped_maps() -> list[str]:
    """The names of the maps that come with the system."""
    folder = resources.files("services.gradebook.exchange.mapped") / "maps"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_map(name_or_path: str) -> Map:
    """A shipped map by its name, or a map from a file.

    Raises:
        MapError: it is wrong, or there is none.
    """
    if name_or_path.removesuffix(".toml") in shipped_maps() and not Path(name_or_path).exists():
        name = f"{name_or_path.removesuffix('.toml')}.toml"
        file = resources.files("services.gradebook.exchange.mapped") / "maps" / name
        return parse_map(file.read_text(encoding="utf-8"), name)
    path = Path(name_or_path)
    try:
        if path.stat().st_size > MAX_MAP_BYTES:
            raise MapError(path.name, ["too large"])
        return parse_map(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise MapError(path.name, [type(error).__name__, *shipped_maps()]) from None
