"""The sheet: what stands on it, how it looks to a machine, and what no name can do to it."""

import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pypdf
import pytest

from contracts.values import Language
from services.extracts import wording
from services.extracts.domain import SheetFacts, SheetLine
from services.extracts.rendering import Sheet, make_sheet, render

EXTRACT = UUID("e0000000-0000-4000-8000-000000000001")
OBTAINED_AT = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
LONG_SUBJECTS = (
    "История России. Всеобщая история",
    "Второй иностранный язык (немецкий)",
    "Основы безопасности и защиты Родины",
    "Основы духовно-нравственной культуры народов России",
    "Алгебра и начала математического анализа",
)


def facts(**changes) -> SheetFacts:
    values = {
        "extract_id": EXTRACT,
        "school_id": uuid4(),
        "number": "2026/000042",
        "numbered_at": datetime(2026, 10, 23, 12, 0, tzinfo=UTC),
        "school_name": "Школа № 1",
        "school_address": "Примерный район, ул. Образцовая, 1",
        "time_zone": "Europe/Moscow",
        "student_name": "Примерова Анна Образцовна",
        "class_name": "7А",
        "recipient_name": "Образцова Мария Петровна",
        "failures": 0,
    }
    return SheetFacts(**{**values, **changes})


def a_grade(subject: str = "Алгебра", value: str | None = "4", **changes) -> SheetLine:
    values = {
        "extract_id": EXTRACT,
        "result_id": uuid4(),
        "value_revision": 1,
        "kind": "final_grade",
        "subject_title": subject,
        "state": "set",
        "value": value,
        "deferred_until": None,
        "period_kind": "quarter",
        "period_number": 1,
        "school_year": "2026/2027",
        "exam_title": None,
        "score": None,
        "max_score": None,
        "obtained_at": OBTAINED_AT,
    }
    return SheetLine(**{**values, **changes})


def an_exam(**changes) -> SheetLine:
    values = {
        "subject_title": "Математика",
        "value": "5",
        "kind": "exam",
        "exam_title": "ОГЭ по математике",
        "score": Decimal("22.00"),
        "max_score": Decimal(31),
        "period_kind": None,
        "period_number": None,
        "school_year": None,
    }
    return a_grade(**{**values, **changes})


def many(number: int) -> list[SheetLine]:
    return [a_grade(f"{LONG_SUBJECTS[index % len(LONG_SUBJECTS)]} {index}", "2") for index in range(number)]


def a_sheet(*lines: SheetLine, language: Language = Language.RU, **changes) -> Sheet:
    return make_sheet(facts(**changes), lines or [a_grade()], language)


def read(*sheets: Sheet) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(render(sheets)))


def catalog(*sheets: Sheet) -> Any:
    """The PDF's root."""
    return read(*sheets).trailer["/Root"].get_object()


def text_of(*sheets: Sheet) -> str:
    """The text layer, with every run of white space as one space."""
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in read(*sheets).pages))


def test_the_sheet_says_who_what_when_and_under_which_number():
    text = text_of(a_sheet(a_grade("Алгебра", "4"), an_exam()))
    for expected in (
        "Школа № 1",
        "Примерный район, ул. Образцовая, 1",
        "Выписка об успеваемости",
        "№ 2026/000042 от 23 октября 2026 г.",
        "Примерова Анна Образцовна",
        "7А",
        "Образцова Мария Петровна",
        "Алгебра 1 четверть 2026/2027 4 хорошо 23.10.2026",
        "ОГЭ по математике Математика 22 из 31 5 отлично 23.10.2026",
        "согласие на получение сведений в электронной форме не дано",
        "М. П.",
        "Расписка в получении",
        "Выписку № 2026/000042 от 23 октября 2026 г. получил(а).",
    ):
        assert expected in text


def test_the_english_sheet_has_no_russian_label():
    text = text_of(
        a_sheet(
            a_grade("Algebra"),
            an_exam(subject_title="Mathematics", exam_title="OGE"),
            language=Language.EN,
            school_name="School 1",
            school_address="1 Example Street",
            student_name="Anna Example",
            class_name="7A",
            recipient_name="Maria Example",
        )
    )
    assert "Extract of results" in text
    assert "No. 2026/000042 of 23 October 2026" in text
    assert "Algebra quarter 1 2026/2027 4 good" in text
    assert "22 of 31" in text
    assert re.findall(r"[а-яА-ЯёЁ]+", text) == []


def test_one_result_makes_one_page_and_so_do_25_with_very_long_names():
    assert len(read(a_sheet()).pages) == 1
    long = a_sheet(
        *many(25),
        student_name="Примерова-Константинопольская Александра-Виктория Константиновна-Образцовна",
        school_name="Муниципальное бюджетное общеобразовательное учреждение «Средняя общеобразовательная школа № 1 "
        "с углублённым изучением отдельных предметов имени Примера Образцовича Константинопольского»",
    )
    assert len(read(long).pages) == 1


def test_what_cannot_fit_goes_on_with_numbered_pages_and_a_repeated_heading():
    reader = read(a_sheet(*many(70)))
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) > 1
    for index, page in enumerate(pages):
        assert f"страница {index + 1} из {len(pages)}" in page
    assert all("Учебный предмет" in page for page in pages[:-1])
    assert "Выдал(а)" in pages[-1]
    assert "Расписка в получении" in pages[-1]


def test_a_print_run_has_every_sheet_on_pages_of_its_own():
    reader = read(a_sheet(number="2026/000001"), a_sheet(*many(70)), a_sheet(number="2026/000003"))
    pages = [page.extract_text() for page in reader.pages]
    assert "2026/000001" in pages[0]
    assert "страница" not in pages[0]
    assert f"страница 1 из {len(pages) - 2}" in pages[1]
    assert "2026/000003" in pages[-1]
    assert "страница" not in pages[-1]


def test_the_pdf_is_tagged_and_declares_both_standards_title_and_language():
    reader = read(a_sheet())
    root = catalog(a_sheet())
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert "<pdfaid:part>2</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a PDF boolean
    assert root["/Lang"] == "ru"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert "/StructTreeRoot" in root
    assert reader.metadata is not None
    assert reader.metadata.title == "Выписка об успеваемости № 2026/000042"
    assert catalog(a_sheet(language=Language.EN))["/Lang"] == "en"


def test_only_the_shipped_font_is_used():
    page: Any = read(a_sheet(a_grade(), an_exam())).pages[0]
    fonts = page["/Resources"]["/Font"]
    names = {font.get_object()["/BaseFont"].split("+")[1] for font in fonts.values()}
    assert names == {"PTSans-Regular", "PTSans-Bold"}


def test_the_same_data_make_the_same_bytes(monkeypatch):
    lines = [a_grade("Физика"), a_grade("Алгебра"), an_exam()]
    first = render([a_sheet(*lines)])
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert render([a_sheet(*reversed(lines))]) == first
    assert render([a_sheet(*lines, number="2026/000043")]) != first


@pytest.mark.parametrize(
    "hostile",
    [
        '#eval("1")',
        '#sys.inputs #read("extract.typ")',
        "$x^2$ *b* _i_ `raw` @ref <label>",
        '"], evil: ["',
        "\\u{41} // comment /* c */",
        "= Heading - list + enum / term: x",
        "{{7*7}} #{1+1}",
    ],
)
def test_a_name_that_looks_like_code_is_printed_as_it_is(hostile):
    text = text_of(a_sheet(student_name=hostile, recipient_name=hostile, school_name=hostile, class_name=hostile))
    assert text.count(hostile) >= 4


def test_control_and_direction_characters_are_left_out():
    sheet = a_sheet(student_name="Приме\u202eрова\x00\x07\nАнна")
    assert sheet["student"] == "Примерова Анна"


def test_a_word_without_end_is_broken_and_the_page_stays_valid():
    endless = "Константинопольский" * 20
    reader = read(a_sheet(a_grade(endless), student_name=endless, recipient_name=endless, school_name=endless))
    text = re.sub(r"[\s\u200b]", "", "".join(page.extract_text() for page in reader.pages))
    assert text.count(endless) == 6
    assert b"pdfaid:part" in render([a_sheet(student_name=endless)])


@pytest.mark.parametrize("name", ["Ким 김철수", "李小龙", "Anna 😀"])
def test_a_character_that_no_font_has_does_not_keep_a_family_from_its_sheet(name):
    reader = read(a_sheet(student_name=name))
    assert "Алгебра" in reader.pages[0].extract_text()
    assert "/StructTreeRoot" in catalog(a_sheet(student_name=name))


@pytest.mark.parametrize("name", ["Әлия Ғабитқызы Өмүр Һ", "Ҕ Ӑ Ӝ Ӥ Ӹ", "გიორგი", "O’Коннор Ñandú"])
def test_names_of_the_countrys_peoples_are_printed(name):
    assert name in text_of(a_sheet(student_name=name))


def test_dates_are_those_of_the_schools_time_zone():
    line = a_grade(obtained_at=datetime(2026, 10, 23, 18, 30, tzinfo=UTC))
    kamchatka = a_sheet(line, time_zone="Asia/Kamchatka", numbered_at=datetime(2026, 12, 31, 12, 30, tzinfo=UTC))
    assert kamchatka["grades"][0]["obtained"] == "24.10.2026"
    assert kamchatka["date"] == "1 января 2027 г."
    assert a_sheet(line, time_zone="Nowhere/At/All")["grades"][0]["obtained"] == "23.10.2026"


def test_lines_stand_in_the_order_of_periods_and_subjects():
    year = a_grade("Алгебра", "5", period_kind="year")
    second = a_grade("Алгебра", "5", period_number=2)
    sheet = a_sheet(year, a_grade("физика"), second, a_grade("Биология"))
    assert [(row["subject"], row["period"]) for row in sheet["grades"]] == [
        ("Биология", "1 четверть 2026/2027"),
        ("физика", "1 четверть 2026/2027"),
        ("Алгебра", "2 четверть 2026/2027"),
        ("Алгебра", "год 2026/2027"),
    ]


@pytest.mark.parametrize(
    ("line", "value", "words"),
    [
        (a_grade(value="2"), "2", "неудовлетворительно"),
        (a_grade(value="незач"), "незач", "не зачтено"),
        (a_grade(value="н/а"), "н/а", "не аттестован(а)"),
        (a_grade(value=None, state="deferred", deferred_until=date(2026, 11, 20)), "—", "отсрочка до 20.11.2026"),
        (a_grade(value=None, state="withdrawn"), "—", "отозвана"),
    ],
)
def test_a_grade_is_said_in_digits_and_in_words(line, value, words):
    row = a_sheet(line)["grades"][0]
    assert (row["value"], row["words"]) == (value, words)


@pytest.mark.parametrize(
    ("points", "most", "expected"),
    [("22.00", "31", "22 из 31"), ("87.5", "100", "87,5 из 100"), ("100", None, "100"), (None, "31", "—")],
)
def test_a_score_is_written_without_needless_digits(points, most, expected):
    score = wording.score(Decimal(points) if points else None, Decimal(most) if most else None, Language.RU)
    assert score == expected


def test_every_value_has_words_in_both_languages():
    values = ("1", "2", "3", "4", "5", "зач", "незач", "н/а", "осв")
    assert all(wording.value_in_words(value, language) != value for value in values for language in Language)
