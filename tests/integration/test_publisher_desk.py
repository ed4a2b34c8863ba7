"""The desks' API and the public figure over HTTP: what is told, and to whom it is not."""

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.service import Service
from services.publisher.api_desk import make_desk_router
from services.publisher.api_public import make_public_router
from services.publisher.domain.escalation import Ladder
from services.publisher.escalating import Escalations
from services.publisher.figures import FigureCache, FigureDays
from services.publisher.settings import Settings
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def a_client(district: District, school_id: UUID | None) -> httpx.AsyncClient:
    async with district.database.transaction(DISTRICT) as conn:
        token = await create_client(conn, school_id=school_id, label="test")
    service = Service(
        settings=Settings(database_url="unused", kafka_bootstrap="unused"),
        database=district.database,
        title="publisher",
        routers=[
            make_desk_router(district.database, district.clock, district.policy, Ladder()),
            make_public_router(FigureCache(district.database, district.clock, keep_seconds=0)),
        ],
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app()),
        base_url="http://publisher",
        headers={"Authorization": f"Bearer {token}"},
    )


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def climb(district: District) -> None:
    while await Escalations(district.database, district.clock, Ladder()).escalate():
        pass


async def count(district: District) -> None:
    while await FigureDays(district.database, district.clock).count():
        pass


async def test_a_board_tells_what_is_open_by_route_and_time_left_and_how_paper_gets_on(district):
    family, results = await district.known_family(), [uuid4(), uuid4()]
    for result in results:
        await district.tell(family.grade(result))
        await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(15 * MINUTE)
    requests = await district.asked_for_paper()
    other = await district.known_family()
    late = uuid4()
    await district.tell(other.grade(late, obtained=district.now - 21 * HOUR, recorded=district.now))
    await district.tell(family.printed(requests[0], at=district.now))
    await count(district)
    for client in (await a_client(district, district.school_id), await a_client(district, None)):
        path = f"/v1/schools/{district.school_id}/deadlines"
        board = await get(client, path)
        open_now = {(one["route"], one["time_left"]): one["obligations"] for one in board["open"]}
        assert open_now == {
            ("screen", "within_4_hours"): 1,
            ("paper", "within_4_hours"): 1,
            ("with_representative", "within_4_hours"): 1,
        }
        assert board["oldest"]["result_id"] == str(late)
        (paper,) = board["paper"]
        assert (paper["waiting"], paper["met_lately"]) == (1, 2)
        assert paper["done_at"].startswith("2026-10-23T12:15")
    whole = await get(await a_client(district, None), "/v1/deadlines")
    assert whole["open"] == board["open"]
    assert whole["oldest"] == board["oldest"]
    assert whole["paper"] == board["paper"]


async def test_a_schools_client_sees_its_own_school_and_nothing_of_another(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.advance(13 * HOUR)
    await climb(district)
    (escalation,) = await district.query("SELECT escalation_id FROM escalations")
    foreign = await a_client(district, uuid4())
    own = f"/v1/schools/{district.school_id}"
    for path in (
        f"{own}/deadlines",
        f"{own}/escalations",
        f"{own}/escalation-terms",
        "/v1/deadlines",
        "/v1/escalations",
    ):
        assert (await foreign.get(path)).status_code == 403, path
    for path in (
        f"/v1/results/{result}/obligations",
        f"/v1/students/{family.student}/obligations",
        f"/v1/escalations/{escalation['escalation_id']}",
    ):
        assert (await foreign.get(path)).status_code == 404, path
    for path in (f"{own}/paper-forecast", f"{own}/escalation-addresses"):
        body = {"student_ids": [str(family.student)], "role": "head", "address": "head@school.example"}
        assert (await foreign.post(path, json=body)).status_code == 403, path
    assert (await foreign.put(f"{own}/escalation-terms", json={})).status_code == 403


async def test_obligations_of_a_result_show_every_version_and_of_a_student_every_result(district):
    family, results = await district.known_family(), [uuid4(), uuid4()]
    for result in results:
        await district.tell(family.grade(result))
    await district.tell(family.grade(results[0], 2, value="5", obtained=START + HOUR))
    client = await a_client(district, district.school_id)
    of_result = await get(client, f"/v1/results/{results[0]}/obligations")
    assert {(one["value_revision"], one["state"]) for one in of_result["items"]} == {(1, "superseded"), (2, "open")}
    path, seen, cursor = f"/v1/students/{family.student}/obligations", [], None
    while True:
        page = await get(client, path, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({one["obligation_id"] for one in seen}) == len(seen) == 9
    assert len((await get(client, path, state="superseded"))["items"]) == 3


async def test_a_desk_reads_what_was_told_and_what_became_of_the_mails(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    client = await a_client(district, district.school_id)
    own = f"/v1/schools/{district.school_id}"
    added = await client.post(
        f"{own}/escalation-addresses", json={"role": "secretary", "address": "office@school.example"}
    )
    assert added.status_code == 201
    await district.advance(12 * HOUR)
    await climb(district)
    (raised,) = (await get(client, f"{own}/escalations", step="school"))["items"]
    told = await get(client, f"/v1/escalations/{raised['escalation_id']}")
    assert [one["recipient_id"] for one in told["items"]] == [str(family.father)]
    assert [(one["role"], one["state"]) for one in told["mails"]] == [("secretary", "queued")]
    assert (await client.delete(f"/v1/escalation-addresses/{added.json()['address_id']}")).status_code == 204
    assert await get(client, "/v1/escalation-addresses") == []


async def test_terms_in_the_wrong_order_are_refused(district):
    client = await a_client(district, district.school_id)
    path = f"/v1/schools/{district.school_id}/escalation-terms"
    assert (await client.put(path, json={"school_hours": 2})).status_code == 422
    assert (await client.put(path, json={"school_hours": 8, "printer": "Канцелярия"})).status_code == 200
    assert (await get(client, path))["school_hours"] == 8


async def test_whoever_sets_grades_on_friday_evening_is_told_how_many_families_wait_for_paper_and_until_when(district):
    family, other = await district.known_family(), await district.known_family()
    await district.tell(other.account(other.father), other.consent(other.father))
    client = await a_client(district, district.school_id)
    answer = await client.post(
        f"/v1/schools/{district.school_id}/paper-forecast",
        json={
            "student_ids": [str(family.student), str(other.student), str(uuid4())],
            "obtained_at": "2026-10-23T19:30:00+03:00",
        },
    )
    told = answer.json()
    assert (told["families_on_paper"], told["sheets"], told["families_on_screen"]) == (1, 1, 1)
    assert told["unknown_students"] == 1
    assert told["due_at"] == "2026-10-24T16:30:00Z"
    assert told["on_closed_day"] is True
    assert "24.10.2026 19:30" in told["said"]
    far = {"student_ids": [str(uuid4())], "obtained_at": "0001-01-01T00:00:00+14:00"}
    assert (await client.post(f"/v1/schools/{district.school_id}/paper-forecast", json=far)).status_code == 422


async def test_the_public_figure_needs_no_sign_in_and_tells_nothing_of_few(district):
    family = await district.known_family()
    for _ in range(3):
        result = uuid4()
        await district.tell(family.grade(result))
        await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await count(district)
    client = await a_client(district, None)
    del client.headers["Authorization"]
    few = await get(client, "/public/figure", span="month", on="2026-10-24")
    assert few["district"]["not_told"] == "few"
    assert few["schools"][0]["in_time"] is None
    await district.tell(family.grade(uuid4()))
    await count(district)
    told = await get(client, "/public/figure", span="day", on="2026-10-24")
    assert (told["district"]["percent"], told["district"]["in_time"], told["district"]["still_open"]) == (100, 6, 6)


async def test_no_form_of_the_public_figure_tells_a_schools_day(district):
    family = await district.known_family()
    for _ in range(4):
        await district.tell(family.grade(uuid4()))
    await count(district)
    client = await a_client(district, None)
    for more in ("", f"&school_id={district.school_id}"):
        day = f"/public/figure?span=day&on=2026-10-24{more}"
        told = (await client.get(f"{day}&format=json")).json()
        assert (told["district"]["still_open"], told["schools"]) == (12, [])
        assert len(list(csv.reader(io.StringIO((await client.get(f"{day}&format=csv")).text)))) == 2
        page = (await client.get(f"{day}&format=html&lang=ru")).text
        assert "Школа № 1" not in page
        assert "только за месяц, квартал и учебный год" in page
        month = (await client.get(f"/public/figure?span=month&on=2026-10-24&format=html{more}")).text
        assert "Школа № 1" in month
        assert "только за месяц" not in month


async def test_the_public_figure_is_a_page_in_two_languages_and_a_table(district):
    family = await district.known_family()
    await district.tell(district.school().model_copy(update={"name": "=1+1 <b>Школа</b>", "revision": 2}))
    for _ in range(4):
        await district.tell(family.grade(uuid4()))
    await count(district)
    client = await a_client(district, None)
    page = await client.get("/public/figure?span=month&on=2026-10-24", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert 'lang="ru"' in page.text
    assert "&lt;b&gt;Школа" in page.text
    assert 'lang="en"' in (await client.get("/public/figure?format=html&lang=en")).text
    rows = list(csv.reader(io.StringIO((await client.get("/public/figure?format=csv&span=month&on=2026-10-24")).text)))
    assert rows[2][1].startswith("'=1+1")
    assert rows[2][7] == "12"
