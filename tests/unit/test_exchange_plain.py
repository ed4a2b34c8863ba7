"""Plain CSV: what real files look like is read, what cannot be read is reported exactly, the rest is taken."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.gradebook.exchange import ExchangeError, Limits, Piece, Read, Rejection, Report, open_source
from services.gradebook.exchange.encoding import UTF_8, WINDOWS_1251, Sniffer
from services.gradebook.exchange.report import KEPT_REJECTIONS
from services.gradebook.exchange.table import MAX_LINE_CHARS
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code

PEOPLE = "person_id,role,family,given,patronymic,birth_date,school_id"
GRADES = "result_id,student_id,subject_id,period_id,value,obtained_at,held"
ANNA = "s1,student,Примерова,Анна,Образцовна,2013-02-03,1"
BORIS = "s2,student,Образцов,Борис,,2013-05-06,1"
GRADE = "g1,s1,alg,q1,4,2026-10-23T14:00:00+03:00,false"


def a_folder(folder: Path, **files: str | bytes) -> Path:
    """A folder of CSV files."""
    for name, content in files.items():
        (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def a_zip(path: Path, files: Mapping[str, bytes | str], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP archive."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pieces_of(path: Path, limits: Limits | None = None) -> list[Piece]:
    """Everything that a source gives."""
    with open_source(path, limits) as (source, faults):
        return [*faults, *(piece for step in source.steps() for piece in step.pieces())]


def split(pieces: Iterable[Piece]) -> tuple[list[Any], list[Rejection]]:
    """Records and rejections."""
    listed = list(pieces)
    return (
        [piece.record for piece in listed if isinstance(piece, Read)],
        [piece for piece in listed if isinstance(piece, Rejection)],
    )


def refused(path: Path, limits: Limits | None = None) -> Code:
    """Why nothing of it can be read."""
    with pytest.raises(ExchangeError) as caught:
        pieces_of(path, limits)
    return caught.value.code


def test_a_folder_is_read_in_the_order_of_dependence(tmp_path: Path) -> None:
    a_folder(tmp_path, final_grades=f"{GRADES}\n{GRADE}\n", people=f"{PEOPLE}\n{ANNA}\n")
    records, rejections = split(pieces_of(tmp_path))
    assert [record.KIND for record in records] == [RecordKind.PEOPLE, RecordKind.FINAL_GRADES]
    assert rejections == []


def test_a_zip_is_read_like_a_folder_whatever_the_names_case_and_folders(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "district.zip", {"Выгрузка/Final-Grades.CSV": f"{GRADES}\n{GRADE}\n", "x/": ""})
    records, rejections = split(pieces_of(path))
    assert len(records) == 1
    assert rejections == []


def test_a_lone_csv_file_is_known_by_its_name(tmp_path: Path) -> None:
    records, _ = split(pieces_of(a_folder(tmp_path, people=f"{PEOPLE}\n{ANNA}\n") / "people.csv"))
    assert [record.person_id for record in records] == ["s1"]


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{PEOPLE}\n{ANNA}\n",
        f"{PEOPLE.upper()}\n{ANNA}\n",
        f"{PEOPLE.replace(',', ';')}\r\n{ANNA.replace(',', ';')}\r\n",
        f"{PEOPLE},note\n{ANNA},что угодно\n",
        f"{PEOPLE}\n\n   \n{ANNA}",
        f"{PEOPLE}\n{ANNA},,\n",
        f"{PEOPLE}\n{ANNA.replace('Примерова', '  Примерова  ')}\n",
        PEOPLE.replace(",", "\t") + "\n" + ANNA.replace(",", "\t") + "\n",
        f"{PEOPLE}\n" + ",".join(f'"{cell}"' for cell in ANNA.split(",")) + "\n",
    ],
    ids=["bom", "case", "semicolon", "extra", "blank", "trailing", "spaces", "tab", "quotes"],
)
def test_what_real_files_look_like_is_read(tmp_path: Path, content: str) -> None:
    for encoded in (content.encode(), content.lstrip("\ufeff").encode("cp1251")):
        records, rejections = split(pieces_of(a_folder(tmp_path, people=encoded)))
        assert rejections == []
        assert [record.family for record in records] == ["Примерова"]


def test_a_quoted_field_may_hold_the_separator_and_a_quote(tmp_path: Path) -> None:
    schools = 'school_id,name,address\n1,"Школа ""Примерная"", № 1","ул. Образцовая, 1"\n'
    records, rejections = split(pieces_of(a_folder(tmp_path, schools=schools)))
    assert rejections == []
    assert (records[0].name, records[0].address) == ('Школа "Примерная", № 1', "ул. Образцовая, 1")


def test_a_quote_that_is_never_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    rows = [ANNA.replace("Примерова", '"Примерова'), *(BORIS.replace("s2", f"t{n}") for n in range(60))]
    records, rejections = split(pieces_of(a_folder(tmp_path, people="\n".join([PEOPLE, *rows]))))
    assert rejections == [Rejection("people.csv", 2, "", Code.BAD_ROW)]
    assert len(records) == 60


def test_a_row_of_another_length_is_rejected_with_its_line(tmp_path: Path) -> None:
    content = f"{PEOPLE}\ns0,student\n{ANNA}\n{BORIS},лишнее\n"
    records, rejections = split(pieces_of(a_folder(tmp_path, people=content)))
    assert rejections == [
        Rejection("people.csv", 2, "", Code.BAD_ROW),
        Rejection("people.csv", 4, "", Code.BAD_ROW),
    ]
    assert len(records) == 1


def test_a_grade_outside_the_scale_costs_its_own_row_only(tmp_path: Path) -> None:
    content = f"{GRADES}\n{GRADE}\n{GRADE.replace('g1', 'g2').replace(',4,', ',6,')}\n"
    records, rejections = split(pieces_of(a_folder(tmp_path, final_grades=content)))
    assert rejections == [Rejection("final_grades.csv", 3, "value", Code.OUTSIDE_SCALE)]
    assert [record.result_id for record in records] == ["g1"]


def test_a_wrong_header_costs_the_file_and_names_the_columns(tmp_path: Path) -> None:
    a_folder(tmp_path, people="id,имя\n1,Анна\n", final_grades=f"{GRADES}\n{GRADE}\n")
    records, rejections = split(pieces_of(tmp_path))
    assert rejections == [Rejection("people.csv", 1, "family, given, person_id, role, school_id", Code.WRONG_HEADER)]
    assert len(records) == 1


def test_a_column_that_stands_twice_is_a_wrong_header(tmp_path: Path) -> None:
    _, rejections = split(pieces_of(a_folder(tmp_path, people=f"{PEOPLE},family\n{ANNA},Другова\n")))
    assert rejections == [Rejection("people.csv", 1, "family", Code.WRONG_HEADER)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_a_wrong_header(tmp_path: Path, content: bytes) -> None:
    _, rejections = split(pieces_of(a_folder(tmp_path, people=content)))
    assert [rejection.code for rejection in rejections] == [Code.WRONG_HEADER]


def test_a_damaged_byte_costs_its_own_row_only(tmp_path: Path) -> None:
    damaged = ANNA.encode().replace("П".encode(), b"\xd0", 1)
    content = PEOPLE.encode() + b"\n" + damaged + b"\n" + BORIS.encode() + b"\n"
    records, rejections = split(pieces_of(a_folder(tmp_path, people=content)))
    assert rejections == [Rejection("people.csv", 2, "", Code.BAD_ENCODING)]
    assert [record.family for record in records] == ["Образцов"]


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "cp866"])
def test_another_encoding_costs_the_file_and_says_which_are_read(tmp_path: Path, encoding: str) -> None:
    _, rejections = split(pieces_of(a_folder(tmp_path, people=f"{PEOPLE}\n{ANNA}\n".encode(encoding))))
    assert rejections == [Rejection("people.csv", None, "", Code.BAD_ENCODING)]
    assert "Windows-1251" in rejections[0].reason("ru")


@given(st.text(alphabet="абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГД ,.\n", min_size=8))
@example("Школа № 1 «Примерная» — лучшая…")
@example("юяюяюяюя")
@example("яюяюяюяю")
def test_russian_text_is_known_by_its_encoding(text: str) -> None:
    for encoding, expected in (("utf-8", UTF_8), ("cp1251", WINDOWS_1251)):
        sniffer = Sniffer()
        for start in range(0, len(text.encode(encoding)), 3):
            sniffer.feed(text.encode(encoding)[start : start + 3])
        # What is plain ASCII is both.
        assert sniffer.encoding() == (UTF_8 if text.isascii() else expected)


def test_a_line_without_end_is_rejected_and_not_kept_in_memory(tmp_path: Path) -> None:
    content = f"{PEOPLE}\n{'x' * (MAX_LINE_CHARS * 3)}\n{ANNA}\n"
    records, rejections = split(pieces_of(a_folder(tmp_path, people=content)))
    assert [(rejection.line, rejection.code) for rejection in rejections] == [(2, Code.LINE_TOO_LONG)]
    assert len(records) == 1


def test_files_with_other_names_are_named_as_ignored(tmp_path: Path) -> None:
    a_folder(tmp_path, people=f"{PEOPLE}\n{ANNA}\n", peopel="")
    with open_source(tmp_path) as (source, _):
        assert source.ignored() == ["peopel.csv"]


def test_two_files_of_one_name_are_reported_and_the_first_is_read(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", {"a/people.csv": f"{PEOPLE}\n{ANNA}\n", "b/People.csv": f"{PEOPLE}\n{BORIS}\n"})
    records, rejections = split(pieces_of(path))
    assert rejections == [Rejection("People.csv", None, "", Code.DUPLICATE_FILE)]
    assert [record.person_id for record in records] == ["s1"]


def test_what_is_no_archive_is_named_so(tmp_path: Path) -> None:
    for name, content in (
        ("a.zip", b"not a zip"),
        ("b.zip", b""),
        ("c.xlsx", b"\x00" * 99),
        ("d.zip", b"PK\x03\x04rest"),
    ):
        (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / "a.zip") == Code.NOT_AN_ARCHIVE
    assert refused(tmp_path / "b.zip") == Code.NOT_AN_ARCHIVE
    assert refused(tmp_path / "c.xlsx") == Code.NOT_AN_ARCHIVE
    assert refused(tmp_path / "d.zip") == Code.BROKEN_ARCHIVE


def test_an_empty_archive_or_folder_is_named_so(tmp_path: Path) -> None:
    assert refused(a_zip(tmp_path / "empty.zip", {})) == Code.EMPTY_ARCHIVE
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder") == Code.EMPTY_ARCHIVE


def test_an_archive_of_unknown_names_is_named_so(tmp_path: Path) -> None:
    assert refused(a_zip(tmp_path / "a.zip", {"readme.txt": "Привет"})) == Code.NOTHING_KNOWN


def test_a_path_that_is_not_there_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pieces_of(tmp_path / "absent")


def test_an_archive_that_was_cut_off_gives_no_row(tmp_path: Path) -> None:
    rows = "\n".join(f"s{n},student,Имя{n},Анна,,2013-02-03,1" for n in range(5000))
    whole = a_zip(tmp_path / "a.zip", {"people.csv": f"{PEOPLE}\n{rows}\n"}).read_bytes()
    for keep in (len(whole) // 2, len(whole) - 30, len(whole) - 1, 30, 4):
        cut = tmp_path / f"cut{keep}.zip"
        cut.write_bytes(whole[:keep])
        assert refused(cut) == Code.BROKEN_ARCHIVE


def test_a_file_of_an_archive_that_was_damaged_is_rejected_and_the_others_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    files = {"people.csv": f"{PEOPLE}\n{ANNA}\n", "final_grades.csv": f"{GRADES}\n{GRADE}\n"}
    content = bytearray(a_zip(path, files, zipfile.ZIP_STORED).read_bytes())
    content[content.index("Анна".encode())] ^= 1
    path.write_bytes(content)
    records, rejections = split(pieces_of(path))
    assert rejections == [Rejection("people.csv", None, "", Code.BROKEN_ARCHIVE)]
    assert [record.KIND for record in records] == [RecordKind.FINAL_GRADES]


def test_a_zip_bomb_gives_no_row_and_does_not_unpack(tmp_path: Path) -> None:
    bomb = f"{PEOPLE}\n".encode() + b"\n" * (64 << 20)
    path = a_zip(tmp_path / "bomb.zip", {"people.csv": bomb})
    assert path.stat().st_size < 100_000
    records, rejections = split(pieces_of(path))
    assert rejections == [Rejection("people.csv", None, "", Code.ARCHIVE_TOO_LARGE)]
    assert records == []


def test_a_bomb_of_many_files_is_found_by_their_sum(tmp_path: Path) -> None:
    part = f"{PEOPLE}\n".encode() + b"\n" * (1 << 20)
    path = a_zip(tmp_path / "bomb.zip", {f"{kind}.csv": part for kind in RecordKind})
    _, rejections = split(pieces_of(path, Limits(max_total_bytes=5 << 20)))
    assert [rejection.code for rejection in rejections].count(Code.ARCHIVE_TOO_LARGE) >= 5


def test_a_bomb_that_lies_about_its_size_is_found_by_what_comes_out(tmp_path: Path) -> None:
    """The headers say 100 bytes; what is unpacked says otherwise."""
    path = a_zip(tmp_path / "liar.zip", {"people.csv": b"\n" * (8 << 20)})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature)
        content[at + offset : at + offset + 4] = struct.pack("<L", 100)
    path.write_bytes(content)
    records, rejections = split(pieces_of(path, Limits(max_total_bytes=1 << 20)))
    assert records == []
    assert rejections[0].code in (Code.BROKEN_ARCHIVE, Code.ARCHIVE_TOO_LARGE)


def test_an_archive_with_a_huge_table_of_contents_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "many.zip", {f"{n:0>60}.csv": "" for n in range(12_000)})
    assert refused(path) == Code.ARCHIVE_TOO_LARGE
    assert refused(a_zip(tmp_path / "some.zip", {f"{n}.csv": "" for n in range(300)})) == Code.ARCHIVE_TOO_LARGE


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_bound_are_refused(tmp_path: Path, packing: int) -> None:
    path = a_zip(tmp_path / "a.zip", {"people.csv": f"{PEOPLE}\n{ANNA}\n"}, packing)
    _, rejections = split(pieces_of(path))
    assert rejections == [Rejection("people.csv", None, "", Code.BROKEN_ARCHIVE)]


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", {"people.csv": f"{PEOPLE}\n{ANNA}\n"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[content.index(b"PK\x03\x04") + 6] |= 1
    path.write_bytes(content)
    _, rejections = split(pieces_of(path))
    assert rejections == [Rejection("people.csv", None, "", Code.BROKEN_ARCHIVE)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), kind=st.sampled_from(list(RecordKind)), headed=st.booleans())
def test_whatever_bytes_come_a_reader_raises_nothing_but_its_own_error(
    tmp_path: Path, content: bytes, kind: RecordKind, headed: bool
) -> None:
    head = {RecordKind.PEOPLE: PEOPLE, RecordKind.FINAL_GRADES: GRADES}.get(kind, "")
    body = head.encode() + b"\n" + content if headed else content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr(f"{kind}.csv", body)
    packed = bytearray(archive.getvalue())
    for position in content[:3]:
        packed[position * 7 % len(packed)] ^= 0xFF
    for name, data in (
        (f"{kind}.csv", body),
        ("a.zip", archive.getvalue()),
        ("b.zip", bytes(packed)),
        ("c.zip", content),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        try:
            pieces = pieces_of(path)
        except ExchangeError:
            pieces = []
        assert all(isinstance(piece, Read | Rejection) for piece in pieces)
        path.unlink()


def test_a_member_that_only_claims_to_be_packed_is_a_broken_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = bytearray(a_zip(path, {"people.csv": os.urandom(200)}, zipfile.ZIP_STORED).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = zipfile.ZIP_DEFLATED
    path.write_bytes(content)
    with pytest.raises(zlib.error):
        zipfile.ZipFile(path).read("people.csv")
    _, rejections = split(pieces_of(path))
    assert rejections == [Rejection("people.csv", None, "", Code.BROKEN_ARCHIVE)]


def test_a_report_says_by_its_exit_code_what_was_done() -> None:
    report = Report()
    assert report.exit_code == 0
    report.reject(Rejection("people.csv", 2, "role", Code.BAD_VALUE), RecordKind.PEOPLE)
    assert report.exit_code == 1
    report.of(RecordKind.PEOPLE).unchanged += 1
    assert report.exit_code == 2
    assert report.as_json()["rejections"][0]["reason"]["ru"] == "Недопустимое значение поля"


def test_a_report_of_a_hostile_file_stays_small_and_counts_on() -> None:
    report = Report()
    for line in range(KEPT_REJECTIONS + 5):
        report.reject(Rejection("people.csv", line, "", Code.BAD_ROW), RecordKind.PEOPLE)
    assert len(report.rejections) == KEPT_REJECTIONS
    assert report.rejected == report.of(RecordKind.PEOPLE).rejected == KEPT_REJECTIONS + 5
