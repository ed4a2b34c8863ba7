"""Writing results by OneRoster's REST binding: taken like an import's, with a revision and an event, or refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from tests.integration.oneroster_rest_client import GRADEBOOK, ROSTERING, Provider, provider_of
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_oneroster_rest_reading import MORE, an, minor

__all__ = ["district", "journal"]


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district with its year."""
    await district.take(MORE)
    await district.told()
    provider = await provider_of(district)
    async with provider.http:
        yield provider


def a_column(class_id: str = "7a-alg", category: str = "lab", **more: Any) -> dict[str, Any]:
    """A line item as a client sends it."""
    return {
        "title": "Лабораторная № 1",
        "assignDate": "2026-10-19",
        "dueDate": "2026-10-20",
        "class": {"sourcedId": class_id, "href": "", "type": "class"},
        "category": {"sourcedId": category},
    } | more


def a_result(line_item: str = "col1", student: str = "s1", **more: Any) -> dict[str, Any]:
    """A result as a client sends it."""
    return {
        "lineItem": {"sourcedId": line_item, "href": "x", "type": "lineItem"},
        "student": {"sourcedId": student},
        "scoreStatus": "fully graded",
        "score": 5,
        "scoreDate": "2026-10-20",
    } | more


async def put(provider: Provider, path: str, body: Any, *, by: str = "1") -> Any:
    """Sends one object; the property follows from the path."""
    name = "result" if "results" in path else "lineItem"
    return await provider.call("PUT", f"{GRADEBOOK}/{path}", by=by, json={name: body})


async def test_a_column_is_made_and_results_are_recorded_corrected_and_withdrawn_in_it(provider: Provider) -> None:
    assert (await put(provider, "lineItems/col1", a_column(metadata={"weight": 1.5}))).status_code == 201
    column = await an(provider, f"{GRADEBOOK}/lineItems/col1")
    assert (column["title"], column["metadata"]["subjectSourcedId"]) == ("Лабораторная № 1", "alg")
    assert await provider.journal.told() == []

    assert (await put(provider, "results/r1", a_result(comment="Молодец"))).status_code == 201
    (event,) = await provider.journal.told()
    assert isinstance(event, MarkRecorded)
    assert (event.value, event.work_type, str(event.weight), event.revision) == ("5", "lab", "1.50", 1)
    assert await provider.ids(f"{GRADEBOOK}/lineItems/col1/results") == ["r1"]

    assert (await put(provider, "results/r1", a_result(comment="Молодец"))).status_code == 200
    assert await provider.journal.told() == []
    assert (await put(provider, "results/r1", a_result(score=4.0, comment="Молодец"))).status_code == 200
    (event,) = await provider.journal.told()
    assert isinstance(event, MarkRecorded)
    assert (event.value, event.revision) == ("4", 2)
    history = await provider.journal.rows("SELECT value, changed_by FROM mark_history WHERE external_id = 'r1'")
    client = provider.secrets["1"].partition(".")[0]
    assert history == [{"value": "5", "changed_by": f"client:{client}"}]

    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/r1")).status_code == 204
    (event,) = await provider.journal.told()
    assert isinstance(event, MarkRecorded)
    assert (event.state, event.revision) == ("withdrawn", 3)
    assert (await an(provider, f"{GRADEBOOK}/results/r1"))["status"] == "tobedeleted"
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/r1")).status_code == 204
    assert await provider.journal.told() == []


async def test_a_result_may_go_into_a_column_that_follows_from_marks(provider: Provider) -> None:
    (line_item,) = await provider.ids(f"{GRADEBOOK}/classes/7a-alg/lineItems")
    body = a_result(line_item, score=None, textScore="зач")
    assert (await put(provider, "results/2026/7", body)).status_code == 201
    (event,) = await provider.journal.told()
    assert isinstance(event, MarkRecorded)
    assert (event.value, event.work_type, str(event.lesson_on)) == ("зач", "control_work", "2026-10-12")
    assert sorted(await provider.ids(f"{GRADEBOOK}/lineItems/{line_item}/results")) == ["2026/7", "m1"]


async def test_what_was_read_is_sent_back_and_nothing_changes(provider: Provider) -> None:
    for name in ("m1", "g1", "g2", "e1"):
        result = await an(provider, f"{GRADEBOOK}/results/{name}")
        answer = await put(provider, f"results/{name}", result)
        assert answer.status_code == 200, (name, answer.text)
        result.pop("metadata")
        assert (await put(provider, f"results/{name}", result)).status_code == 200
    assert await provider.journal.told() == []


async def test_a_mark_keeps_its_lesson_and_author(provider: Provider) -> None:
    lessons = (
        "lesson_id,group_id,subject_id,teacher_id,lesson_on,number,lesson_type,status\n"
        "l1,7a-alg,alg,t1,2026-10-12,2,practice,held\n"
    )
    marks = (
        "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value,lesson_id,author_id\n"
        "m1,s1,alg,7a-alg,2026-10-12,control_work,2,5,l1,t1\n"
    )
    report = await provider.journal.take({"lessons": lessons, "marks": marks})
    assert report.exit_code == 0, report.rejections
    result = await an(provider, f"{GRADEBOOK}/results/m1")
    assert (await put(provider, "results/m1", result | {"textScore": "3", "score": 3})).status_code == 200
    (mark,) = await provider.journal.rows("SELECT value, lesson_id, author_id FROM marks WHERE external_id = 'm1'")
    assert mark == {
        "value": "3",
        "lesson_id": await provider.journal.id_of("lesson", "l1"),
        "author_id": await provider.journal.id_of("person", "t1"),
    }


async def test_a_final_grade_is_set_in_a_column_of_its_period(provider: Provider) -> None:
    column = a_column("7a", "final_grade", metadata={"subjectSourcedId": "rus"}, gradingPeriod={"sourcedId": "q1"})
    assert (await put(provider, "lineItems/quarter", column)).status_code == 201
    body = a_result("quarter", metadata={"obtainedAt": "2026-10-20T14:00:00+03:00", "held": True})
    assert (await put(provider, "results/f1", body)).status_code == 201
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.value, event.held, event.obtained_at.isoformat()) == ("5", True, "2026-10-20T11:00:00+00:00")
    again = a_result("quarter")
    assert (await put(provider, "results/f1", again)).status_code == 200
    assert await provider.journal.told() == [], "neither released nor redated by what is not said"
    exempt = a_result("quarter", "s2", score=None, scoreStatus="exempt")
    assert (await put(provider, "results/f2", exempt)).status_code == 201
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert (event.value, event.obtained_at.isoformat()) == ("осв", "2026-10-19T21:00:00+00:00")
    assert sorted(await provider.ids(f"{GRADEBOOK}/lineItems/quarter/results")) == ["f1", "f2"]
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/f1")).status_code == 204
    (event,) = await provider.journal.told()
    assert isinstance(event, FinalGradeSet)
    assert event.state == "withdrawn"


async def test_an_exam_result_is_recorded_in_its_column_and_withdrawn(provider: Provider) -> None:
    column = a_column("7a", "competition", title="Олимпиада", resultValueMax=100)
    column["metadata"] = {"subjectSourcedId": "rus"}
    assert (await put(provider, "lineItems/olympiad", column)).status_code == 201
    assert (await put(provider, "results/o1", a_result("olympiad", score=87.5))).status_code == 201
    (event,) = await provider.journal.told()
    assert isinstance(event, ExamResultRecorded)
    assert (event.title, str(event.score), str(event.max_score)) == ("Олимпиада", "87.5", "100")
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/o1")).status_code == 204
    assert len(await provider.journal.told()) == 1


async def test_results_of_a_column_are_posted_all_or_none(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column("7a", metadata={"subjectSourcedId": "alg"}))
    path = f"{GRADEBOOK}/lineItems/col1/results"
    good = a_result(sourcedId="a")
    bad = await provider.call("POST", path, json={"results": [good, a_result(student="s3")]})
    assert (bad.status_code, minor(bad.json())) == (422, "invaliddata")
    assert "orphan_row" in bad.json()["imsx_description"]
    assert await provider.journal.told() == []
    assert await provider.ids(path) == []
    done = await provider.call("POST", path, json={"results": [good, a_result(student="s2", score=3)]})
    assert done.status_code == 201, done.text
    first, second = done.json()["sourcedIdPairs"]
    assert first == {"suppliedSourcedId": "a", "allocatedSourcedId": "a"}
    assert sorted(await provider.ids(path)) == sorted(["a", second["allocatedSourcedId"]])
    assert len(await provider.journal.told()) == 2


REFUSED_RESULTS: list[tuple[dict[str, Any], int, str]] = [
    (a_result("absent"), 404, "unknownobject"),
    (a_result(lineItem=None), 422, "invaliddata"),
    (a_result(student="absent"), 422, "invaliddata"),
    (a_result(student="s3"), 422, "invaliddata"),
    (a_result(score=7), 422, "invaliddata"),
    (a_result(score=None), 422, "invaliddata"),
    (a_result(score="five"), 422, "invaliddata"),
    (a_result(scoreDate="20.10.2026"), 422, "invaliddata"),
    (a_result(status="deleted"), 422, "invaliddata"),
    ({}, 422, "invaliddata"),
]


async def test_a_refused_result_says_why_and_leaves_nothing(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column("7a", metadata={"subjectSourcedId": "alg"}))
    for body, status, code in REFUSED_RESULTS:
        answer = await put(provider, "results/r1", body)
        assert (answer.status_code, minor(answer.json())) == (status, code), (body, answer.text)
    for raw in (b"", b"[", b"[]", b'{"result": 1}'):
        answer = await provider.call("PUT", f"{GRADEBOOK}/results/r1", content=raw)
        assert (answer.status_code, minor(answer.json())) == (422, "invaliddata"), raw
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/absent")).status_code == 404
    assert await provider.journal.told() == []
    assert "r1" not in await provider.ids(f"{GRADEBOOK}/results")


async def test_the_journals_own_rules_hold_here_too(provider: Provider) -> None:
    await put(provider, "lineItems/late", a_column(dueDate="2026-10-24"))
    answer = await put(provider, "results/r1", a_result("late"))
    assert (answer.status_code, "in_future" in answer.json()["imsx_description"]) == (422, True)
    await put(provider, "lineItems/col1", a_column())
    stranger = await put(provider, "results/r1", a_result(student="s2"))
    assert (stranger.status_code, "not_in_group" in stranger.json()["imsx_description"]) == (422, True)
    other = await put(provider, "results/m1", a_result(student="s2"))
    assert (other.status_code, "identity_changed" in other.json()["imsx_description"]) == (422, True)
    assert await provider.journal.told() == []


REFUSED_COLUMNS: list[tuple[dict[str, Any], int]] = [
    (a_column("absent"), 404),
    (a_column("7b-2"), 404),
    (a_column("7a"), 422),
    (a_column("7a", metadata={"subjectSourcedId": "absent"}), 404),
    (a_column("7a", metadata={"subjectSourcedId": "journal.district"}), 422),
    (a_column(category="quiz"), 422),
    (a_column(category="final_grade"), 422),
    (a_column(category="final_grade", gradingPeriod={"sourcedId": "q1-2"}), 404),
    (a_column(metadata={"weight": 0}), 422),
    (a_column(dueDate="2026-10-18"), 422),
    ({}, 422),
]


async def test_a_column_that_does_not_fit_is_refused(provider: Provider) -> None:
    for body, status in REFUSED_COLUMNS:
        answer = await put(provider, "lineItems/col1", body)
        assert answer.status_code == status, (body, answer.text)
        assert minor(answer.json()) in ("unknownobject", "invaliddata")
    derived = await provider.ids(f"{GRADEBOOK}/classes/7a-alg/lineItems")
    assert (await put(provider, f"lineItems/{derived[0]}", a_column())).status_code == 422


async def test_a_column_with_results_keeps_its_purpose_and_may_be_renamed(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column())
    assert (await put(provider, "lineItems/col1", a_column(dueDate="2026-10-21"))).status_code == 200
    await put(provider, "results/r1", a_result())
    refused = await put(provider, "lineItems/col1", a_column(dueDate="2026-10-20"))
    assert (refused.status_code, minor(refused.json())) == (422, "invaliddata")
    renamed = a_column(dueDate="2026-10-21", title="Лабораторная № 2")
    assert (await put(provider, "lineItems/col1", renamed)).status_code == 200
    assert (await an(provider, f"{GRADEBOOK}/lineItems/col1"))["title"] == "Лабораторная № 2"
    revisions = await provider.journal.rows("SELECT revision FROM oneroster_line_item_history ORDER BY revision")
    assert [row["revision"] for row in revisions] == [1, 2]


async def test_no_school_writes_into_another(provider: Provider) -> None:
    await put(provider, "lineItems/col1", a_column("7a", metadata={"subjectSourcedId": "alg"}))
    assert (await put(provider, "lineItems/col1", a_column("7a"), by="2")).status_code == 404
    own = a_column("7b-2", metadata={"subjectSourcedId": "rus"})
    taken = await put(provider, "lineItems/col1", own, by="2")
    assert (taken.status_code, minor(taken.json())) == (403, "forbidden")
    assert (await put(provider, "results/r1", a_result(), by="2")).status_code == 404
    assert (await provider.call("DELETE", f"{GRADEBOOK}/results/m1", by="2")).status_code == 404
    await put(provider, "lineItems/col2", own, by="2")
    stolen = await put(provider, "results/m1", a_result("col2", "s3"), by="2")
    assert (stolen.status_code, minor(stolen.json())) == (403, "forbidden")
    by_district = await put(provider, "results/r2", a_result("col2", "s3"), by="district")
    assert by_district.status_code == 201
    assert len(await provider.journal.told()) == 1


async def test_each_scope_opens_its_own_and_nothing_else(provider: Provider) -> None:
    calls: dict[str, tuple[str, str]] = {
        "roster-core.readonly roster.readonly": ("GET", f"{ROSTERING}/students"),
        "roster-demographics.readonly": ("GET", f"{ROSTERING}/demographics"),
        "gradebook-core.readonly gradebook.readonly": ("GET", f"{GRADEBOOK}/results"),
        "gradebook.createput": ("PUT", f"{GRADEBOOK}/results/r1"),
        "gradebook.delete": ("DELETE", f"{GRADEBOOK}/results/absent"),
    }
    for scopes, opened in calls.items():
        for scope in scopes.split():
            for call in calls.values():
                answer = await provider.call(*call, scope=scope)
                if call == opened:
                    assert answer.status_code in (200, 404, 422), (scope, call)
                else:
                    assert (answer.status_code, minor(answer.json())) == (403, "forbidden"), (scope, call)
                    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
