"""The schedule of control works on a real database: clashes are shown before, and refused unless forced."""

from datetime import date
from typing import Any

from chassis.database import DISTRICT
from contracts.control_work_changed import ControlWorkChanged
from services.gradebook import policy_queries
from services.gradebook.policy import SchoolPolicy
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from tests.integration.journal_school import codes, kept, state
from tests.integration.test_gradebook_api import Api, api
from tests.integration.test_gradebook_journal import Journal, district, journal

__all__ = ["api", "district", "journal", "kept"]

CLASH = [(0, "planned_on", Code.CONTROL_WORK_CLASH)]


def a_work(work_id: str = "n1", **changes: Any) -> dict[str, Any]:
    """A control work of the class on the day on which one stands already."""
    fields = {
        "control_work_id": work_id,
        "group_id": "7a",
        "subject_id": "alg",
        "planned_on": "2026-10-19",
        "title": "Функции",
    }
    return fields | changes


async def plan(journal: Journal, *works: dict[str, Any]) -> list[tuple[int, str, Code]]:
    """Sends control works; returns what was not taken, and sees that the rest was told."""
    outcome = await state(journal, RecordKind.CONTROL_WORKS, *works)
    assert len(await journal.told()) == outcome.added + outcome.changed
    return codes(outcome)


async def test_a_second_control_work_of_a_class_on_a_day_is_refused(kept: Journal) -> None:
    assert await plan(kept, a_work()) == CLASH
    assert await plan(kept, a_work(planned_on="2026-10-20")) == []


async def test_a_work_of_a_study_group_counts_for_the_class_its_members_are_in(kept: Journal) -> None:
    assert await plan(kept, a_work(group_id="7a-alg")) == CLASH


async def test_a_forced_one_is_taken_and_stands_in_the_way_of_others(kept: Journal) -> None:
    assert await plan(kept, a_work(force=True)) == []
    assert await plan(kept, a_work("n2", planned_on="2026-10-20"), a_work("n3", planned_on="2026-10-21")) == [
        (1, "planned_on", Code.CONTROL_WORK_CLASH)
    ]


async def test_of_one_batch_the_forced_one_stands_wherever_it_comes(kept: Journal) -> None:
    other, forced = a_work(planned_on="2026-10-20"), a_work("n2", planned_on="2026-10-20", force=True)
    assert await plan(kept, other, forced) == CLASH


async def test_moving_a_work_onto_another_is_refused_and_correcting_its_title_is_not(kept: Journal) -> None:
    assert await plan(kept, a_work(planned_on="2026-10-20")) == []
    assert await plan(kept, a_work()) == CLASH
    assert await plan(kept, a_work(planned_on="2026-10-20", title="Линейная функция")) == []
    assert await plan(kept, a_work(planned_on="2026-10-20", title="Линейная функция")) == []


async def test_a_cancelled_work_makes_room(kept: Journal) -> None:
    standing = {
        "control_work_id": "k1",
        "group_id": "7a",
        "subject_id": "rus",
        "planned_on": "2026-10-19",
        "number": 2,
        "title": "Диктант",
    }
    outcome = await state(kept, RecordKind.CONTROL_WORKS, standing | {"state": "withdrawn"})
    assert outcome.changed == 1
    (told,) = await kept.told()
    assert isinstance(told, ControlWorkChanged)
    assert told.state == "cancelled"
    assert await plan(kept, a_work()) == []
    assert await plan(kept, standing) == CLASH


async def test_the_schools_settings_say_how_many_and_whether_a_clash_is_refused(kept: Journal) -> None:
    async with kept.database.transaction(DISTRICT) as conn:
        for valid_from, policy in (
            (date(2026, 9, 1), SchoolPolicy(control_works_a_day=2)),
            (date(2026, 11, 1), SchoolPolicy(control_work_clash="allow")),
        ):
            await policy_queries.set_policy(
                conn,
                await kept.id_of("school", "1"),
                valid_from=valid_from,
                policy=policy,
                changed_by="client:test",
                now=kept.clock.at,
            )
    assert await plan(kept, a_work(), a_work("n2", subject_id="rus")) == [(1, "planned_on", Code.CONTROL_WORK_CLASH)]
    later = [a_work(f"n{number}", planned_on="2026-11-09") for number in range(3, 7)]
    assert await plan(kept, *later) == []


async def test_clashes_are_shown_before_anything_is_saved(kept: Journal, api: Api) -> None:
    answer = await api.post(
        "/v1/schools/{1}/control-works/check",
        [a_work(), a_work("n2", planned_on="2026-10-20"), a_work("n3", group_id="nobody"), a_work("n4", title="")],
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["clashes"] == [
        {
            "control_work_id": "n1",
            "rule": "same_day",
            "class_id": str(await kept.id_of("group", "7a")),
            "with_ids": [str(await kept.id_of("control_work", "k1"))],
        }
    ]
    assert [(item["pointer"], item["code"]) for item in body["rejected"]] == [
        ("/2/group_id", "orphan_row"),
        ("/3/title", "bad_value"),
    ]
    assert len(await kept.rows("SELECT * FROM control_works")) == 1
    assert await kept.told() == []
    refused = await api.post("/v1/schools/{1}/control-works", [a_work()])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "control_work_clash"
