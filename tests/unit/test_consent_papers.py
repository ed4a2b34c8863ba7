"""The form and the receipt: one page, every part that the law asks for, nothing cut, nothing that a name can break."""

import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdf
import pytest

from services.consent import papers, wording
from services.consent.document import missing_parts
from services.consent.form_queries import PaperFacts
from services.consent.invitations import Invitation, make_code
from services.consent.model import Policy

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
POLICY = Policy()
CODE = "7K3M-XQ2P-94TH-V6WC"
CABINET = "https://diary.example.org"

LONG: dict[str, Any] = {
    "school_name": "Муниципальное бюджетное общеобразовательное учреждение «Средняя школа» " * 5,
    "school_address": "000000, Очень Длинный район, улица Очень Длинного Названия, дом 1, " * 6,
    "consenter_name": "Константинопольская-Длиннофамильская Александрина-Виктория Константиновна " * 4,
    "student_name": "Константинопольский-Длиннофамильский Вениамин-Александр Константинович " * 4,
    "document": "акт органа опеки и попечительства о назначении опекуна несовершеннолетнему " * 3,
    "document_number": "12-345/2025",
    "issued_on": date(2025, 3, 1),
    "email_address": "a" * 60 + "@" + "b" * 60 + ".example.org",
    "kind": "guardian",
}


def facts(**changes: Any) -> PaperFacts:
    values: dict[str, Any] = {
        "school_name": "Школа № 1",
        "school_address": "Примерный район, ул. Образцовая, 1",
        "consenter_name": "Образцова Мария Петровна",
        "student_name": "Примерова Анна Образцовна",
        "class_name": "7А",
        "birth_date": date(2013, 2, 3),
        "kind": "parent",
        "document": "",
        "document_number": "",
        "issued_on": None,
        "email_address": "",
        "cabinet": "given",
        "email": "given",
        "push": "refused",
        "no_internet": False,
        "decided_at": NOW,
        "effective_from": NOW,
        "number": "С-17",
    }
    return PaperFacts(**{**values, **changes})


async def the_form(**changes: Any) -> pypdf.PdfReader:
    sheet = papers.form_sheet(facts(**changes), NOW, POLICY)
    return pypdf.PdfReader(io.BytesIO(await papers.form(sheet, NOW)))


async def the_receipt(invitation: Invitation | None, **changes: Any) -> pypdf.PdfReader:
    sheet = papers.receipt_sheet(facts(**changes), invitation, CABINET, NOW, POLICY)
    return pypdf.PdfReader(io.BytesIO(await papers.receipt(sheet, NOW)))


def flat(reader: pypdf.PdfReader) -> str:
    """The text of all pages without line breaks, hyphenation and spaces."""
    text = "".join(page.extract_text() for page in reader.pages)
    return re.sub(r"[\s\u00ad\u200b\u2010-]+", "", text)


def bare(text: str) -> str:
    return re.sub(r"[\s\u00ad\u200b\u2010-]+", "", text)


async def test_the_form_is_one_page_with_every_part_that_the_law_asks_for():
    reader = await the_form()
    text = flat(reader)
    assert len(reader.pages) == 1
    for part in (
        "Образцова Мария Петровна",
        "адрес",
        "вид документа, удостоверяющего личность",
        "серия и номер",
        "дата выдачи",
        "кем выдан",
        "Примерова Анна Образцовна, класс 7А",
        "документ о полномочиях",
        "Школа № 1",
        "Примерный район, ул. Образцовая, 1",
        *(what for name, what in wording.PURPOSES.values()),
        wording.DATA,
        wording.ACTIONS,
        wording.TERM,
        wording.WITHDRAWAL,
        "подпись",
        "расшифровка подписи",
        "дата",
    ):
        assert bare(part) in text, part


async def test_each_purpose_has_both_answers():
    text = flat(await the_form())
    assert text.count("Согласен(на)") == text.count("Несогласен(на)") == 1
    assert [name for name, _ in wording.PURPOSES.values()] == ["Личный кабинет", "Письма", "Уведомления"]
    assert bare("Поставьте знак в одном из двух квадратов каждой строки") in text
    assert bare("У меня нет доступа к интернету") in text


async def test_the_form_is_tagged_in_russian_and_stands_alone():
    reader = await the_form()
    root: Any = reader.trailer["/Root"]
    assert "/StructTreeRoot" in root
    assert str(root["/Lang"]).startswith("ru")
    metadata = root["/Metadata"].get_data()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert bare("оформляется отдельно от других") in flat(reader)


@pytest.mark.parametrize("name", sorted(LONG))
async def test_what_is_long_wraps_and_stays_on_the_page(name):
    reader = await the_form(**{name: LONG[name]})
    assert len(reader.pages) == 1
    if name not in {"kind", "issued_on", "document_number"}:
        assert bare(str(LONG[name])) in flat(reader)


async def test_everything_long_at_once_still_is_one_page_with_nothing_left_out():
    reader = await the_form(**LONG)
    text = flat(reader)
    assert len(reader.pages) == 1
    for name in ("school_name", "school_address", "consenter_name", "student_name", "document"):
        assert bare(str(LONG[name])) in text, name
    assert bare("принял(а): должность, подпись, фамилия") in text


@pytest.mark.parametrize("name", ["#panic()", '"; #eval("1")', "\\ $x$ *b* _i_ @ref <label>", "Ким 김철수"])
async def test_a_name_is_never_markup(name):
    text = flat(await the_form(consenter_name=name, student_name=name, school_name=name))
    assert bare(name.partition("김")[0]) in text


async def test_what_the_journal_does_not_know_is_a_line_to_write_on():
    reader = await the_form(school_name="", school_address="", consenter_name="", class_name="")
    assert len(reader.pages) == 1
    assert bare("наименование школы") in flat(reader)


async def test_the_form_names_the_document_of_authority_when_it_is_registered():
    text = flat(
        await the_form(kind="guardian", document="акт об опеке", document_number="12", issued_on=date(2025, 3, 1))
    )
    assert bare("акт об опеке № 12 от 01.03.2025") in text
    assert bare("опекун") in text


@pytest.mark.parametrize(("born", "asked"), [(date(2013, 2, 3), False), (date(2011, 2, 3), True), (None, True)])
async def test_a_student_old_enough_signs_too(born, asked):
    assert (bare("подпись обучающегося") in flat(await the_form(birth_date=born))) is asked


async def test_an_adult_student_decides_for_themself():
    text = flat(await the_form(kind="student", consenter_name="Примерова Анна", birth_date=date(2008, 1, 1)))
    assert bare("За себя") in text
    assert bare("документ о полномочиях") not in text
    assert bare("подпись обучающегося") not in text


def test_the_form_as_a_document_lacks_only_what_the_signer_adds():
    lacking = {one.field.removeprefix("document.") for one in missing_parts(papers.contents(facts()))}
    assert lacking == {
        "consenter_address",
        "identity_kind",
        "identity_number",
        "identity_issued_on",
        "identity_issuer",
        "authority_document",
        "signed",
        "signed_on",
    }


async def test_the_receipt_says_what_was_decided_and_how_to_come_in():
    reader = await the_receipt(Invitation(CODE, NOW + timedelta(days=60)))
    text = flat(reader)
    assert len(reader.pages) == 1
    for part in (
        "Образцова Мария Петровна",
        "Примерова Анна Образцовна, класс 7А",
        "№ С-17",
        "24 ноября 2026 г.",
        "Личный кабинет",
        "несогласие",
        CODE,
        f"{CABINET}/join",
        "до 23 января 2027 г.",
    ):
        assert bare(part) in text, part


async def test_a_refusal_gets_a_receipt_without_a_way_in():
    text = flat(await the_receipt(None, cabinet="refused", email="refused"))
    assert bare("Как войти") not in text
    assert bare("на бумаге, не позднее 24 часов") in text


async def test_a_long_receipt_stays_on_one_page():
    reader = await the_receipt(Invitation(CODE, NOW), **LONG)
    assert len(reader.pages) == 1
    assert bare(LONG["school_address"]) in flat(reader)


async def test_the_code_stands_in_no_part_of_the_file_but_its_text():
    sheet = papers.receipt_sheet(facts(), Invitation(CODE, NOW), CABINET, NOW, POLICY)
    modules = {len(row) for row in sheet["qr"]}
    assert modules == {len(sheet["qr"])}
    assert sheet["qr"] == papers.receipt_sheet(facts(), Invitation("OTHER", NOW), CABINET, NOW, POLICY)["qr"]


async def test_the_same_data_give_the_same_bytes():
    sheet = papers.form_sheet(facts(), NOW, POLICY)
    assert await papers.form(sheet, NOW) == await papers.form(sheet, NOW)


def test_a_code_is_made_of_the_given_randomness():
    letters = iter("7K3MXQ2P94THV6WC")
    assert make_code(lambda _alphabet: next(letters)) == CODE
    assert CODE not in repr(Invitation(CODE, NOW))
