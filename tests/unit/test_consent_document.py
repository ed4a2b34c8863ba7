"""What a written consent must contain."""

from datetime import date

import pytest

from services.consent.document import ConsentDocument, missing_parts

WRITTEN = {
    "consenter_name": "Примерова Анна Образцовна",
    "consenter_address": "Примерный район, ул. Образцовая, д. 1",
    "identity_kind": "паспорт",
    "identity_number": "00 00 000001",
    "identity_issued_on": date(2015, 4, 1),
    "identity_issuer": "Отдел № 1",
    "on_behalf_of": "Примеров Иван Образцович",
    "authority_document": "Свидетельство о рождении № 000001",
    "operator_name": "Школа № 1",
    "operator_address": "Примерный район, ул. Школьная, д. 1",
    "purposes": "сведения об успеваемости",
    "data_list": "имя, класс, отметки",
    "actions_list": "сбор, хранение, показ",
    "term": "до окончания обучения",
    "withdrawal_procedure": "заявление в школу",
    "signed": True,
    "signed_on": date(2026, 9, 2),
}


def a_form(**changes: object) -> ConsentDocument:
    """A form in which nothing is missing, but for the changes."""
    return ConsentDocument.model_validate({**WRITTEN, **changes})


def test_a_complete_form_lacks_nothing():
    assert missing_parts(a_form()) == []


@pytest.mark.parametrize("part", sorted(WRITTEN))
def test_each_part_that_is_left_out_is_named_in_both_languages(part):
    form = ConsentDocument.model_validate({name: value for name, value in WRITTEN.items() if name != part})

    (missing,) = missing_parts(form)

    assert missing.code == f"missing_{part}"
    assert missing.field == f"document.{part}"
    assert missing.ru.startswith("В документе не указано: ")
    assert missing.en.startswith("The document lacks ")
    assert missing.text() == f"{missing.ru} / {missing.en}"


def test_blanks_are_no_contents():
    assert [one.code for one in missing_parts(a_form(term="   "))] == ["missing_term"]


def test_an_empty_form_lacks_every_part_at_once():
    assert {one.field for one in missing_parts(ConsentDocument())} == {f"document.{name}" for name in WRITTEN}


def test_number_and_scan_are_optional():
    assert missing_parts(a_form(number="", scan_sha256="")) == []


def test_a_refusal_needs_only_who_signed_and_when():
    form = ConsentDocument(consenter_name="Примерова Анна", signed=True, signed_on=date(2026, 9, 2))

    assert missing_parts(form, giving=False) == []
    assert {one.code for one in missing_parts(ConsentDocument(), giving=False)} == {
        "missing_consenter_name",
        "missing_signed",
        "missing_signed_on",
    }


def test_who_consents_for_themself_represents_nobody():
    assert missing_parts(a_form(on_behalf_of="", authority_document=""), for_oneself=True) == []
    assert len(missing_parts(a_form(on_behalf_of="", authority_document=""))) == 2


@pytest.mark.parametrize("scan", ["0" * 63, "G" * 64, "0" * 65])
def test_a_scan_hash_is_sha256_in_hex(scan):
    with pytest.raises(ValueError, match="scan_sha256"):
        a_form(scan_sha256=scan)


def test_text_that_no_database_keeps_is_refused():
    with pytest.raises(ValueError, match="consenter_name"):
        a_form(consenter_name="Анна\x00")
