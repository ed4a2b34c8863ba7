"""Plain CSV: one file for each kind of record, named after it."""

from collections.abc import Iterator, Sequence

from services.gradebook.exchange.bundle import Bundle, ExchangeError
from services.gradebook.exchange.guarding import unguard
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.source import Piece, Step, make
from services.gradebook.exchange.table import read_table
from services.gradebook.records import MODELS, RecordKind, required_fields


class PlainCsv:
    """A bundle of plain CSV files. Any of them may be absent: what is not sent stays as it is."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def steps(self) -> Sequence[Step]:
        """One step for each file that is there."""
        return [self._step(kind) for kind in RecordKind if file_of(kind) in self._bundle]

    def ignored(self) -> list[str]:
        """Files with other names."""
        known = {file_of(kind) for kind in RecordKind}
        return sorted(given for name, given in self._bundle.names().items() if name not in known)

    def _step(self, kind: RecordKind) -> Step:
        name = file_of(kind)
        return Step(
            self._bundle.given_name(name), (kind,), lines_of(self._bundle, name), lambda: self._pieces(kind, name)
        )

    def _pieces(self, kind: RecordKind, name: str) -> Iterator[Piece]:
        model = MODELS[kind]
        file = self._bundle.given_name(name)
        for item in read_table(
            self._bundle, name, required=required_fields(model), wanted=frozenset(model.model_fields)
        ):
            if isinstance(item, Rejection):
                yield item
            else:
                cells = {column: unguard(cell) for column, cell in item.cells.items()}
                yield from make(model, cells, file=file, line=item.line)


def file_of(kind: RecordKind) -> str:
    """The file of a kind."""
    return f"{kind}.csv"


def lines_of(bundle: Bundle, name: str) -> int:
    """How many lines the file has; 0 when it is absent or cannot be read, which its rows then report."""
    if name not in bundle:
        return 0
    try:
        return bundle.inspect(name).lines
    except ExchangeError:
        return 0
