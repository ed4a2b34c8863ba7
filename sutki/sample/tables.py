"""CSV and ZIP with the same bytes for the same rows."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that the format knows: the hour of writing must not change the bytes."""


def cell(value: object) -> object:
    """A value as text files have it: `true`/`false`, ISO instants in UTC with `Z`, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value


def table(columns: Sequence[str], rows: Iterable[Iterable[object]], *, delimiter: str = ",") -> bytes:
    """A CSV file in UTF-8 with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
