"""Whom a name means in OneRoster's REST binding: after a deferral, with a kind before it, and who may withdraw it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from tests.integration.oneroster_rest_client import GRADEBOOK, ROSTERING, Provider, provider_of
from tests.integration.test_closing_deferrals import approved
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_gradebook_results import a_grade, send
from tests.integration.test_oneroster_rest_reading import an, minor
from tests.integration.test_oneroster_rest_writing import a_column, a_result, put

__all__ = ["district", "journal"]

WRITE = "gradebook.createput"
PLACES = ("mark:x", "final_grade:x", "exam_result:x", "mark:", "mark", "Mark:x", "mark/x", "x:mark:x")
"""Ids of marks; the first three look as if a kind stood before them."""


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district."""
    provider = await provider_of(district)
    async with provider.http:
        yield provider


async def fulfilled(provider: Provider) -> Any:
    """Our id of a result that was told as deferred and then got its grade, which the journal calls `late`."""
    deferral = await approved(provider.journal)
    provider.journal.clock.advance(timedelta(days=18))
    obtained = provider.journal.clock.at - timedelta(hours=2)
    grade = a_grade("late", subject_id="rus", obtained_at=obtained.isoformat())
    await send(provider.journal, RecordKind.FINAL_GRADES, grade)
    await provider.journal.told()
    return deferral.result_id


async def test_a_grade_that_ended_a_deferral_is_read_by_the_journals_name(provider: Provider) -> None:
    await fulfilled(provider)
    assert "late" in await provider.ids(f"{GRADEBOOK}/results")
    listed = await provider.read(f"{GRADEBOOK}/results", filter="sourcedId='late'")
    assert [await an(provider, f"{GRADEBOOK}/results/late")] == listed
    assert (await an(provider, f"{GRADEBOOK}/results/final_grade:late")) == listed[0]


async def test_the_same_sent_again_changes_nothing_and_never_redates_it(provider: Provider) -> None:
    result_id = await fulfilled(provider)
    before = await provider.journal.rows("SELECT * FROM final_grades WHERE result_id = $1", result_id)
    result = await an(provider, f"{GRADEBOOK}/results/late")
    for body in (result, {name: value for name, value in result.items() if name != "metadata"}):
        answer = await put(provider, "results/late", body)
        assert answer.status_code == 200, answer.text
    assert await provider.journal.told() == []
    assert await provider.journal.rows("SELECT * FROM final_grades WHERE result_id = $1", result_id) == before


async def test_a_correction_by_the_journals_name_is_the_next_revision_of_the_same_result(provider: Provider) -> None:
    result_id = await fulfilled(provider)
    result = await an(provider, f"{GRADEBOOK}/results/late")
    answer = await put(provider, "results/late", result | {"score": 5, "textScore": "5"})
    assert answer.status_code == 200, answer.text
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.result_id, event.value, event.revision) == (result_id, "5", 3)
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/late")).status_code == 204
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.result_id, event.state) == (result_id, "withdrawn")
    assert (await an(provider, f"{GRADEBOOK}/results/late"))["status"] == "tobedeleted"


async def test_a_grade_that_ends_a_deferral_stands_in_the_column_into_which_it_was_put(provider: Provider) -> None:
    deferral = await approved(provider.journal)
    column = a_column("7a", "final_grade", metadata={"subjectSourcedId": "rus"}, gradingPeriod={"sourcedId": "q1"})
    assert (await put(provider, "lineItems/quarter", column)).status_code == 201
    body = a_result("quarter", scoreDate="2026-10-23")
    assert (await put(provider, "results/late", body)).status_code == 200
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert event.result_id == deferral.result_id
    assert await provider.ids(f"{GRADEBOOK}/lineItems/quarter/results") == ["late"]
    assert (await put(provider, "results/late", body)).status_code == 200
    assert await provider.journal.told() == []


async def test_what_shares_its_id_with_a_grade_that_ended_a_deferral_is_told_apart(provider: Provider) -> None:
    await fulfilled(provider)
    marks = (
        "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\nlate,s1,alg,,2026-10-14,answer,1,3\n"
    )
    assert (await provider.journal.take({"marks": marks})).exit_code == 0
    ids = await provider.ids(f"{GRADEBOOK}/results", filter="sourcedId='late'")
    assert sorted(ids) == ["final_grade:late", "mark:late"]
    for kind, value in (("final_grade", "4"), ("mark", "3")):
        item = await an(provider, f"{GRADEBOOK}/results/{kind}:late")
        assert (item["sourcedId"], item["textScore"]) == (f"{kind}:late", value), "also when it is told alone"
    assert (await provider.get(f"{GRADEBOOK}/results/late")).status_code == 422


async def with_strange_marks(provider: Provider) -> None:
    """Marks with ids of all sorts, and one called `x` by which each of the first three could be meant."""
    rows = "".join(f"{name},s1,alg,,2026-10-{day:02},answer,1,3\n" for day, name in enumerate(("x", *PLACES), start=5))
    marks = "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\n" + rows
    report = await provider.journal.take({"marks": marks})
    assert report.exit_code == 0, report.rejections
    await provider.journal.told()


async def test_every_id_is_told_under_one_name_which_means_it_and_nothing_else(provider: Provider) -> None:
    await with_strange_marks(provider)
    told = await provider.read(f"{GRADEBOOK}/results")
    names = {item["sourcedId"] for item in told}
    assert names == {"m1", "g1", "g2", "e1", "x", *(f"mark:{name}" for name in PLACES[:3]), *PLACES[3:]}
    for item in told:
        assert await an(provider, f"{GRADEBOOK}/results/{item['sourcedId']}") == item
        assert await provider.ids(f"{GRADEBOOK}/results", filter=f"sourcedId='{item['sourcedId']}'") == [
            item["sourcedId"]
        ]
    assert (await an(provider, f"{GRADEBOOK}/results/mark:x"))["sourcedId"] == "x"


async def test_what_is_written_and_withdrawn_under_a_name_is_what_was_read_under_it(provider: Provider) -> None:
    await with_strange_marks(provider)
    for own_id in PLACES[:3]:
        item = await an(provider, f"{GRADEBOOK}/results/mark:{own_id}")
        assert (await put(provider, f"results/mark:{own_id}", item)).status_code == 200
        assert await provider.journal.told() == []
        changed = await put(provider, f"results/mark:{own_id}", item | {"score": 4, "textScore": "4"})
        assert changed.status_code == 200, changed.text
        assert (await provider.call("DELETE", f"{GRADEBOOK}/results/mark:{own_id}")).status_code == 204
        meant = await provider.journal.id_of("mark", own_id)
        events = await provider.journal.told()
        assert [(event.mark_id, event.state) for event in events if isinstance(event, MarkRecorded)] == [
            (meant, "recorded"),
            (meant, "withdrawn"),
        ]
    assert (await an(provider, f"{GRADEBOOK}/results/x"))["status"] == "active"


async def test_a_new_result_gets_no_name_that_means_another(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column())
    for name in ("mark:new", "final_grade:g1", "exam_result:e1", "mark:mark:m1"):
        answer = await put(provider, f"results/{name}", a_result())
        assert (answer.status_code, minor(answer.json())) == (422, "invaliddata"), name
        posted = await provider.call(
            "POST", f"{GRADEBOOK}/lineItems/col1/results", json={"results": [a_result(sourcedId=name)]}
        )
        assert (posted.status_code, minor(posted.json())) == (422, "invaliddata"), name
    assert await provider.journal.told() == []
    assert (await put(provider, "results/g1", a_result())).status_code == 201
    assert (await put(provider, "results/mark:g1", a_result(score=4))).status_code == 200


WITHDRAWALS: dict[str, tuple[str, str, Any]] = {
    "a result": ("PUT", "results/r1", {"result": a_result(status="tobedeleted")}),
    "one that is not there": ("PUT", "results/none", {"result": a_result(status="tobedeleted")}),
    "one of several": (
        "POST",
        "lineItems/col1/results",
        {"results": [a_result(sourcedId="r2"), a_result(sourcedId="r1", status="tobedeleted")]},
    ),
    "a column": ("PUT", "lineItems/col1", {"lineItem": a_column(status="tobedeleted")}),
    "by the call for it": ("DELETE", "results/r1", None),
}


async def test_who_may_only_write_withdraws_nothing_however_it_is_said(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column())
    await put(provider, "results/r1", a_result())
    await provider.journal.told()
    for what, (method, path, body) in WITHDRAWALS.items():
        answer = await provider.call(method, f"{GRADEBOOK}/{path}", scope=WRITE, json=body)
        assert (answer.status_code, minor(answer.json())) == (403, "forbidden"), what
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert "gradebook.delete" in challenge
    assert await provider.journal.told() == []
    assert (await an(provider, f"{GRADEBOOK}/lineItems/col1"))["status"] == "active"
    gone = await provider.call("PUT", f"{GRADEBOOK}/results/r1", json={"result": a_result(status="tobedeleted")})
    assert gone.status_code == 200, gone.text
    again = await provider.call("PUT", f"{GRADEBOOK}/results/r1", scope=WRITE, json={"result": a_result()})
    assert again.status_code == 200, "writing it anew takes nothing back"


async def test_a_result_without_a_value_is_refused_and_takes_nothing_back(provider: Provider) -> None:
    for name in ("m1", "g1", "e1"):
        result = await an(provider, f"{GRADEBOOK}/results/{name}")
        del result["metadata"]
        for empty in ({"score": None, "textScore": None}, {"score": None, "textScore": "", "scoreStatus": "submitted"}):
            answer = await provider.call(
                "PUT", f"{GRADEBOOK}/results/{name}", scope=WRITE, json={"result": result | empty}
            )
            assert (answer.status_code, minor(answer.json())) == (422, "invaliddata"), (name, empty)
        assert (await an(provider, f"{GRADEBOOK}/results/{name}"))["status"] == "active"
    assert await provider.journal.told() == []


async def test_no_school_or_subject_takes_the_name_of_what_belongs_to_none(provider: Provider) -> None:
    report = await provider.journal.take(
        {
            "schools": "school_id,name,address,time_zone\ndistrict.district,Школа,,\ndistrict.other,Школа,,\n",
            "subjects": "subject_id,title\njournal.district,Журнал\njournal,Журнал\n",
        }
    )
    assert [(fault.code, fault.field) for fault in report.rejections] == [
        (Code.BAD_VALUE, "school_id"),
        (Code.BAD_VALUE, "subject_id"),
    ]
    orgs = await provider.ids(f"{ROSTERING}/orgs", by="district")
    assert sorted(orgs) == ["1", "2", "district.district", "district.other"]
    assert sorted(await provider.ids(f"{ROSTERING}/courses")) == ["alg", "journal", "journal.district", "rus"]
