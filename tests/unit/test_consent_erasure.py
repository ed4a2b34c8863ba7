"""Terms of erasure, and the act that says what was destroyed."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from uuid import UUID

import orjson
import pytest
from pypdf import PdfReader

from contracts.data_erased import CONFIRMATIONS
from services.consent import erasure_wording as wording
from services.consent.erasure_act import Operator, Story, extract, render
from services.consent.erasure_queries import Erasure
from services.consent.erasure_terms import Demand, Terms
from services.consent.model import EndReason

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PERSON, CHILD = UUID(int=7), UUID(int=8)
# The year's calendar moves a working day to Saturday and closes the Monday.
TERMS = Terms(holidays=frozenset({date(2026, 12, 7)}), working_weekends=frozenset({date(2026, 12, 5)}))


def test_thirty_days_are_days_and_the_work_begins_before_their_end():
    due = TERMS.due_at(Demand.CONSENT_WITHDRAWN, NOW)
    assert due == NOW + timedelta(days=30)
    assert TERMS.start_at(due, NOW) == due - timedelta(hours=24)


@pytest.mark.parametrize(
    ("demand", "last"),
    [(Demand.UNLAWFULLY_OBTAINED, date(2026, 12, 3)), (Demand.UNLAWFUL_PROCESSING, date(2026, 12, 8))],
)
def test_working_days_leave_out_weekends_and_holidays_and_end_with_the_last_of_them(demand, last):
    due = TERMS.due_at(demand, NOW)
    assert due.astimezone(UTC) == datetime(last.year, last.month, last.day, 21, tzinfo=UTC), "midnight in Moscow"


def test_a_working_saturday_counts_and_a_holiday_monday_does_not():
    assert TERMS.after_working_days(date(2026, 12, 4), 1) == date(2026, 12, 5)
    assert TERMS.after_working_days(date(2026, 12, 5), 1) == date(2026, 12, 8)


def test_the_day_of_the_demand_does_not_count():
    assert Terms().after_working_days(date(2026, 11, 23), 1) == date(2026, 11, 24)


def test_a_term_shorter_than_the_lead_begins_at_once():
    short = Terms(withdrawal_days=0.5)
    assert short.start_at(short.due_at(Demand.CONSENT_WITHDRAWN, NOW), NOW) == NOW


def a_story(**changes: object) -> Story:
    erasure = Erasure(
        erasure_id=UUID(int=1),
        person_id=PERSON,
        student_id=CHILD,
        school_id=UUID(int=9),
        scope="electronic_contact",
        parts=["account", "email"],
        ground="consent_withdrawn",
        state="erased",
        scheduled_at=NOW - timedelta(days=30),
        due_at=NOW,
        start_at=NOW - timedelta(days=1),
        requested_at=NOW - timedelta(hours=2),
        erased_at=NOW - timedelta(hours=1),
        ordered_by=None,
    )
    confirmations = [
        {
            "service": confirmation.service(),
            "erased": [{"category": "accounts", "count": 1}, {"category": "push_subscriptions", "count": 2}],
            "kept": [{"category": "disclosures", "count": 3, "ground": "proof_of_disclosure"}],
            "erased_at": NOW,
        }
        for confirmation in CONFIRMATIONS
    ]
    log = [
        {"at": NOW, "happened": "scheduled", "details": {"ground": "consent_withdrawn", "parts": ["account"]}},
        {"at": NOW, "happened": "requested", "details": {"parts": ["account"], "before_term": True}},
        {"at": NOW, "happened": "confirmed", "details": {"service": "cabinet"}},
        {"at": NOW, "happened": "erased", "details": {}},
    ]
    operator = Operator(
        "Муниципальное бюджетное общеобразовательное учреждение «Средняя школа № 1 с углублённым изучением предметов»",
        "000000, Примерная область, Примерный район, посёлок Образцовый, улица Школьная, дом 1, корпус 2",
        "Europe/Moscow",
    )
    story = Story(12, NOW, NOW + timedelta(days=1096), erasure, operator, confirmations, log)
    return Story(**{name: changes.get(name, getattr(story, name)) for name in Story.__slots__})  # type: ignore[arg-type]


def test_the_act_names_what_went_what_stays_why_how_when_and_who_signs():
    story = a_story()
    log = extract(story)

    reader = PdfReader(BytesIO(render(story, log)))

    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for part in (
        "№ 12 от 24 ноября 2026 г.",
        "Средняя школа № 1",
        "посёлок Образцовый",
        str(PERSON),
        "отзыв согласия",
        "30 дней (часть 5 статьи 21",
        "24.11.2026 11:00:00",
        "удаление записей",
        "доказательство своевременного информирования",
        "учётная запись личного кабинета",
        "до истечения срока",
        "должность",
        "24 ноября 2029 г.",
    ):
        assert part in text, part
    assert str(reader.root_object["/Lang"]) == "ru"


def test_the_same_story_gives_the_same_bytes():
    story = a_story()
    assert render(story, extract(story)) == render(story, extract(story))


def test_the_event_log_has_a_line_for_every_event_and_every_confirmation():
    lines = [orjson.loads(line) for line in extract(a_story()).splitlines()]
    assert [line["line"] for line in lines] == ["subject", *["event"] * 4, *["confirmation"] * len(CONFIRMATIONS)]
    assert lines[0]["reason"] == "consent_withdrawn"


def test_nothing_erased_is_said_in_words():
    story = a_story(confirmations=[])
    text = PdfReader(BytesIO(render(story, extract(story)))).pages[0].extract_text()
    assert "не оказалось" in " ".join(text.split())


def test_every_ground_and_every_service_has_words():
    grounds = {*(reason.value for reason in EndReason), *(demand.value for demand in Demand)}
    assert grounds <= set(wording.GROUNDS)
    assert {confirmation.service() for confirmation in CONFIRMATIONS} == set(wording.SYSTEMS)
