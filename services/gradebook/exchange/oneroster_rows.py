"""The rows of OneRoster files for the import: read and understood exactly as the offline check does it.

What a cell says is brought into the standard's form where it is certain; otherwise it is left as it is, and the record
that is made of it says what is wrong. The import needs fewer columns than the standard, since it takes what a journal
needs from files that have no more.
"""

from collections.abc import Collection, Iterator

from services.gradebook.exchange.oneroster_pack import Pack
from services.gradebook.exchange.oneroster_schema import FileSchema
from services.gradebook.exchange.oneroster_values import Understand, anything
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.table import Item, Row, read_table
from services.gradebook.rejections import Code

_MAY_BE_INSTANTS = frozenset({"scoredate"})
"""Dates of which an exact instant says more: the 24 hours run from it."""


def rows_of(pack: Pack, name: str, required: Collection[str], optional: Collection[str]) -> Iterator[Item]:
    """The rows of a file; what cannot be read comes as a rejection in its place.

    Args:
        pack: where the file is.
        name: the standard's name of the file.
        required: columns without which it is rejected as a whole; in lower case.
        optional: further columns to read.
    """
    schema = pack.schema[name]
    given = pack.files[name]
    file = pack.bundle.given_name(given)
    wanted = frozenset((*required, *optional))
    understood = _understood(schema, wanted)
    for item in read_table(
        pack.bundle,
        given,
        required=required,
        wanted=wanted,
        uncut=schema.uncut & wanted,
        aliases=schema.aliases,
    ):
        if isinstance(item, Row):
            yield from _understand(item, understood, file)
        else:
            yield item


def _understood(schema: FileSchema, wanted: Collection[str]) -> list[tuple[str, Understand]]:
    return [
        (field.key, field.understand)
        for field in schema.fields
        if field.key in wanted and not field.many and not field.refers_to and field.key != "sourcedid"
    ]


def _understand(row: Row, understood: list[tuple[str, Understand]], file: str) -> Iterator[Item]:
    cells = row.cells
    for column, understand in understood:
        text = cells.get(column)
        if not text:
            continue
        if understand is anything:
            if "\n" in text:
                cells[column] = " ".join(text.split())
            continue
        meant = understand(text)
        if not isinstance(meant, Code):
            if column not in _MAY_BE_INSTANTS or "T" not in text:
                cells[column] = meant
        elif column == "status":
            # Whether the row holds at all is not known: nothing of it can be taken.
            yield Rejection(file, row.line, "status", meant)
            return
    yield row
