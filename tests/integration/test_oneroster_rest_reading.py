"""Reading by OneRoster's REST binding: what was imported comes back under the same ids, for whom it is meant."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.gradebook.oneroster_model import parse_item_id
from services.gradebook.oneroster_rest.routes import READS
from tests.integration.oneroster_rest_client import GRADEBOOK, ROSTERING, Provider, provider_of
from tests.integration.test_gradebook_journal import Journal, district, journal

__all__ = ["district", "journal"]


@pytest.fixture
async def provider(district: Journal) -> AsyncIterator[Provider]:
    """The provider of the small district."""
    provider = await provider_of(district)
    async with provider.http:
        yield provider


EVERYTHING = {
    f"{ROSTERING}/orgs": ["1", "2", "district.district"],
    f"{ROSTERING}/schools": ["1", "2"],
    f"{ROSTERING}/academicSessions": ["q1", "q1-2", "y1"],
    f"{ROSTERING}/gradingPeriods": ["q1", "q1-2"],
    f"{ROSTERING}/terms": ["y1"],
    f"{ROSTERING}/courses": ["alg", "journal.district", "rus"],
    f"{ROSTERING}/classes": ["7a", "7a-alg", "7b-2"],
    f"{ROSTERING}/users": ["p1", "s1", "s2", "s3", "t1"],
    f"{ROSTERING}/students": ["s1", "s2", "s3"],
    f"{ROSTERING}/teachers": ["t1"],
    f"{ROSTERING}/demographics": ["s1", "s2", "s3"],
    f"{ROSTERING}/schools/1/classes": ["7a", "7a-alg"],
    f"{ROSTERING}/schools/1/students": ["s1", "s2"],
    f"{ROSTERING}/schools/1/teachers": ["t1"],
    f"{ROSTERING}/schools/1/courses": ["alg"],
    f"{ROSTERING}/schools/1/terms": ["y1"],
    f"{ROSTERING}/schools/1/classes/7a/students": ["s1", "s2"],
    f"{ROSTERING}/schools/1/classes/7a/teachers": ["t1"],
    f"{ROSTERING}/classes/7a-alg/students": ["s1"],
    f"{ROSTERING}/classes/7a-alg/teachers": [],
    f"{ROSTERING}/courses/alg/classes": ["7a-alg"],
    f"{ROSTERING}/courses/journal.district/classes": ["7a", "7b-2"],
    f"{ROSTERING}/students/s1/classes": ["7a", "7a-alg"],
    f"{ROSTERING}/teachers/t1/classes": ["7a"],
    f"{ROSTERING}/users/t1/classes": ["7a"],
    f"{ROSTERING}/terms/y1/classes": ["7a", "7a-alg"],
    f"{ROSTERING}/terms/y1/gradingPeriods": ["q1"],
    f"{GRADEBOOK}/results": ["e1", "g1", "g2", "g3", "m1", "m2"],
    f"{GRADEBOOK}/classes/7a-alg/results": ["m1"],
    f"{GRADEBOOK}/classes/7a/results": ["e1", "g1", "g2"],
    f"{GRADEBOOK}/classes/7a/students/s1/results": ["e1", "g1"],
    f"{GRADEBOOK}/scoreScales": ["sutki.final-grades", "sutki.marks"],
    f"{GRADEBOOK}/classes/7a/scoreScales": ["sutki.final-grades", "sutki.marks"],
}
MORE = {
    "periods": (
        "period_id,school_id,kind,number,school_year,starts_on,ends_on\ny1,1,year,1,2026/2027,2026-09-01,2027-05-31\n"
    ),
    "teaching": (
        "teaching_id,school_id,teacher_id,group_id,subject_id,role,starts_on,ends_on\n"
        "w1,1,t1,7a,,class_teacher,2026-09-01,\n"
    ),
}


async def test_what_was_imported_is_read_back_under_its_own_ids(provider: Provider) -> None:
    report = await provider.journal.take(MORE)
    assert report.exit_code == 0, report.rejections
    for path, ids in EVERYTHING.items():
        assert sorted(await provider.ids(path, by="district")) == ids, path
    (line_item,) = await provider.ids(f"{GRADEBOOK}/classes/7a-alg/lineItems")
    assert await provider.ids(f"{GRADEBOOK}/lineItems/{line_item}/results") == ["m1"]
    assert await provider.ids(f"{GRADEBOOK}/classes/7a-alg/lineItems/{line_item}/results") == ["m1"]
    assert len(await provider.ids(f"{GRADEBOOK}/schools/1/lineItems")) == 3
    assert len(await provider.ids(f"{GRADEBOOK}/lineItems", by="district")) == 5


async def test_each_object_of_a_collection_is_found_by_its_id(provider: Provider) -> None:
    await provider.journal.take(MORE)
    seen = 0
    for read in READS:
        if read.single:
            for item in await provider.read(f"{read.base}/{read.path}", by="district"):
                one = await provider.get(f"{read.base}/{read.path}/{item['sourcedId']}", by="district")
                assert (one.status_code, list(one.json().values())) == (200, [item]), one.text
                seen += 1
    assert seen > 50


async def test_every_answer_is_what_openapi_says(provider: Provider) -> None:
    await provider.journal.take(MORE)
    for read in READS:
        if not read.parents:
            for item in await provider.read(f"{read.base}/{read.path}", by="district"):
                read.collection.model.model_validate(item)
                assert {"sourcedId", "status", "dateLastModified"} <= set(item)


async def an(provider: Provider, path: str) -> dict[str, Any]:
    """One object."""
    answer = await provider.get(path)
    assert answer.status_code == 200, answer.text
    (item,) = answer.json().values()
    assert isinstance(item, dict)
    return item


def ref(kind: str, path: str, sourced_id: str) -> dict[str, str]:
    """A reference as it is sent."""
    return {"href": f"http://gradebook{path}/{sourced_id}", "sourcedId": sourced_id, "type": kind}


async def test_a_student_is_told_with_class_representatives_and_school(provider: Provider) -> None:
    anna = await an(provider, f"{ROSTERING}/students/s1")
    assert anna.pop("dateLastModified") == "2026-10-23T12:00:00.000Z"
    school = ref("org", f"{ROSTERING}/orgs", "1")
    assert anna == {
        "sourcedId": "s1",
        "status": "active",
        "enabledUser": "true",
        "givenName": "Анна",
        "familyName": "Примерова",
        "middleName": "Образцовна",
        "roles": [{"roleType": "primary", "role": "student", "org": school}],
        "primaryOrg": school,
        "agents": [ref("user", f"{ROSTERING}/users", "p1")],
        "grades": ["07"],
    }
    assert (await an(provider, f"{ROSTERING}/demographics/s1"))["birthDate"] == "2013-02-03"
    mother = (await provider.get(f"{ROSTERING}/users/p1", by="district")).json()["user"]
    assert [role["role"] for role in mother["roles"]] == ["parent", "parent"]
    assert [agent["sourcedId"] for agent in mother["agents"]] == ["s1", "s3"]


async def test_a_result_is_told_with_all_that_an_import_would_need(provider: Provider) -> None:
    grade = await an(provider, f"{GRADEBOOK}/results/g2")
    assert (grade["score"], grade["textScore"], grade["scoreDate"]) == (5, "5", "2026-10-23")
    assert grade["metadata"] == {
        "kind": "final_grade",
        "subjectSourcedId": "alg",
        "obtainedAt": "2026-10-23T11:00:00.000Z",
        "held": True,
    }
    item = await an(provider, f"{GRADEBOOK}/lineItems/{grade['lineItem']['sourcedId']}")
    assert (item["category"]["sourcedId"], item["gradingPeriod"]["sourcedId"]) == ("final_grade", "q1")
    exam = await an(provider, f"{GRADEBOOK}/results/e1")
    assert (exam["score"], exam["textScore"], exam["scoreStatus"]) == (22, "5", "fully graded")
    item = await an(provider, f"{GRADEBOOK}/lineItems/{exam['lineItem']['sourcedId']}")
    assert (item["title"], item["resultValueMax"]) == ("ОГЭ по математике", 31)
    mark = await an(provider, f"{GRADEBOOK}/results/m1")
    item = await an(provider, f"{GRADEBOOK}/lineItems/{mark['lineItem']['sourcedId']}")
    assert (item["metadata"], item["dueDate"]) == ({"subjectSourcedId": "alg", "weight": 2.0}, "2026-10-12")
    passed = (await provider.get(f"{GRADEBOOK}/results/g3", by="district")).json()["result"]
    assert ("score" in passed, passed["textScore"]) == (False, "зач")


async def test_the_ids_of_line_items_are_the_models(provider: Provider) -> None:
    for item in await provider.ids(f"{GRADEBOOK}/lineItems", by="district"):
        derived = parse_item_id(item)
        assert derived is not None
        assert derived.sourced_id() == item


async def test_a_school_sees_its_own_and_nothing_of_another(provider: Provider) -> None:
    assert await provider.ids(f"{ROSTERING}/schools", by="2") == ["2"]
    assert await provider.ids(f"{ROSTERING}/classes", by="2") == ["7b-2"]
    assert sorted(await provider.ids(f"{ROSTERING}/users", by="2")) == ["p1", "s3"]
    assert sorted(await provider.ids(f"{GRADEBOOK}/results", by="2")) == ["g3", "m2"]
    for path in (
        f"{ROSTERING}/schools/1",
        f"{ROSTERING}/schools/1/classes",
        f"{ROSTERING}/schools/2/classes/7a/students",
        f"{ROSTERING}/classes/7a",
        f"{ROSTERING}/users/s1",
        f"{ROSTERING}/demographics/s1",
        f"{GRADEBOOK}/results/g1",
        f"{GRADEBOOK}/classes/7a/results",
        f"{GRADEBOOK}/classes/7b-2/students/s1/results",
    ):
        answer = await provider.get(path, by="2")
        assert answer.status_code == 404, path
        assert minor(answer.json()) == "unknownobject"
    other = await provider.ids(f"{GRADEBOOK}/schools/1/lineItems", by="1")
    for item in other:
        assert (await provider.get(f"{GRADEBOOK}/lineItems/{item}", by="2")).status_code == 404


def minor(status: dict[str, Any]) -> str:
    """The minor code of a status."""
    assert (status["imsx_codeMajor"], status["imsx_severity"]) == ("failure", "error")
    (field,) = status["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldName"] == "TargetEndSystem"
    return str(field["imsx_codeMinorFieldValue"])


async def test_ids_that_nothing_has_are_not_found(provider: Provider) -> None:
    for read in READS:
        for name in ("%00", "a%09b", "%F0%9F%98%80", "x" * 3000, "m.-.x", "f.-", "'"):
            path = re.sub(r"\{\w+\}", name, read.path) if read.parents else f"{read.path}/{name}"
            answer = await provider.call("GET", f"{read.base}/{path}", by="district")
            assert (answer.status_code, minor(answer.json())) == (404, "unknownobject"), (path, answer.text)


async def test_a_path_leads_only_from_a_thing_to_what_is_in_it(provider: Provider) -> None:
    (item,) = await provider.ids(f"{GRADEBOOK}/classes/7a-alg/lineItems", by="district")
    for path in (
        f"{ROSTERING}/schools/2/classes/7a/students",
        f"{ROSTERING}/schools/2/classes/7a/enrollments",
        f"{GRADEBOOK}/classes/7a/lineItems/{item}/results",
        f"{GRADEBOOK}/classes/7a-alg/students/s2/results",
        f"{ROSTERING}/schools/district.district/classes",
        f"{ROSTERING}/students/t1/classes",
        f"{ROSTERING}/teachers/s1/classes",
        f"{ROSTERING}/terms/q1/classes",
    ):
        answer = await provider.get(path, by="district")
        assert (answer.status_code, minor(answer.json())) == (404, "unknownobject"), path


async def test_ids_of_another_source_are_not_a_clients(provider: Provider) -> None:
    files = {"schools": "school_id,name,address,time_zone\n1,Другая школа,,\n"}
    await provider.journal.take(files, source="other")
    assert len(await provider.ids(f"{ROSTERING}/schools", by="district")) == 2
    assert (await an(provider, f"{ROSTERING}/schools/1"))["name"] == "Школа № 1"


async def test_results_of_several_kinds_with_one_id_are_told_apart(provider: Provider) -> None:
    marks = (
        "mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value\ng1,s1,alg,,2026-10-14,answer,1,3\n"
    )
    assert (await provider.journal.take({"marks": marks})).exit_code == 0
    ids = sorted(await provider.ids(f"{GRADEBOOK}/results"))
    assert ids == ["e1", "final_grade:g1", "g2", "m1", "mark:g1"]
    assert (await an(provider, f"{GRADEBOOK}/results/mark:g1"))["textScore"] == "3"
    assert (await an(provider, f"{GRADEBOOK}/results/final_grade:g1"))["textScore"] == "4"
    answer = await provider.get(f"{GRADEBOOK}/results/g1")
    assert (answer.status_code, minor(answer.json())) == (422, "invaliddata")


async def test_who_left_and_what_closed_is_to_be_deleted_and_a_delta_finds_it(provider: Provider) -> None:
    since = (await an(provider, f"{ROSTERING}/students/s2"))["dateLastModified"]
    before = await provider.read(f"{ROSTERING}/enrollments", filter_="user.sourcedId='s1' AND class.sourcedId='7a-alg'")
    provider.journal.clock.advance(timedelta(minutes=30))
    left = {
        "people": "person_id,role,family,given,patronymic,birth_date,school_id,state\n"
        "s2,student,Образцов,Борис,,2013-05-06,1,withdrawn\n",
        "members": "group_id,person_id,state\n7a-alg,s1,withdrawn\n",
    }
    assert (await provider.journal.take(left)).exit_code == 0
    gone = await provider.read(f"{ROSTERING}/students", filter_=f"dateLastModified>'{since}' AND status='tobedeleted'")
    assert [(user["sourcedId"], user["enabledUser"]) for user in gone] == [("s2", "false")]
    after = await provider.read(f"{ROSTERING}/enrollments", filter_="user.sourcedId='s1' AND class.sourcedId='7a-alg'")
    assert [item["status"] for item in before + after] == ["active", "tobedeleted"]
    assert after[0]["dateLastModified"] > before[0]["dateLastModified"]
    assert await provider.ids(f"{ROSTERING}/classes/7a-alg/students") == []
