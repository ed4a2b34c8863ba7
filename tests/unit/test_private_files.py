"""Files of personal data that a command writes: nobody but their owner reads them."""

import stat
from pathlib import Path

import pytest

from services.gradebook.exchange.exporting import target_at
from services.gradebook.exchange.private import write_private
from services.gradebook.exchange.sheets.writing import SheetToWrite, write_xlsx


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_everybody_could_read_is_replaced_and_not_filled(tmp_path: Path):
    file, elsewhere = tmp_path / "a.csv", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    elsewhere.chmod(0o644)
    file.symlink_to(elsewhere)
    write_private(file, b"names")
    assert (file.read_bytes(), mode(file), file.is_symlink()) == (b"names", 0o600, False)
    assert elsewhere.read_bytes() == b"untouched"


@pytest.mark.parametrize("name", ["folder", "pack.zip"])
async def test_an_export_is_its_owners_even_over_one_that_was_everybodys(tmp_path: Path, name: str):
    path = tmp_path / name
    left = path if name.endswith(".zip") else path / "people.csv"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"old")
    left.chmod(0o644)
    async with target_at(path) as target:
        with target.open("people.csv") as file:
            file.write(b"new")
    assert mode(left) == 0o600
    assert left.read_bytes() != b"old"


def test_a_workbook_is_its_owners(tmp_path: Path):
    write_xlsx(tmp_path / "class.xlsx", [SheetToWrite("7А", [["Фамилия"]])])
    assert mode(tmp_path / "class.xlsx") == 0o600
