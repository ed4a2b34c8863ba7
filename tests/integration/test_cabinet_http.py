"""The pages and the JSON API, as a browser and a program meet them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import DISTRICT, Database
from contracts.base import SubjectId
from contracts.values import Decision, Subject, WorkType
from services.cabinet.app import build
from services.cabinet.handlers import invite
from services.cabinet.web.rendering import static_url
from tests.browser.cabinet_world import PASSWORD, World, settings_for

Databases = Callable[[str], Awaitable[Database]]
RUSSIAN = {"accept-language": "ru-RU,ru;q=0.9"}
ENGLISH = {"accept-language": "en-GB,en;q=0.9,ru;q=0.5"}


@dataclass
class Site:
    """The running application of a test."""

    world: World
    app: Any
    secure: bool

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """A browser with its own cookies."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="https://diary.example" if self.secure else "http://diary.example",
            headers={"accept-language": "ru", **headers},
        )


async def _site(databases: Databases, **settings: Any) -> AsyncIterator[Site]:
    database = await databases("cabinet")
    service = await build(settings_for(database.url, **settings))
    try:
        world = World(database)
        await world.hear()
        yield Site(world, service.app(), bool(settings.get("cookie_secure")))
    finally:
        await service.database.close()


@pytest.fixture
async def site(service_database: Databases) -> AsyncIterator[Site]:
    async for site in _site(service_database, sign_in_failures_per_login=3):
        yield site


@pytest.fixture
async def secure_site(service_database: Databases) -> AsyncIterator[Site]:
    async for site in _site(service_database, cookie_secure=True):
        yield site


def _form_token(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


async def _post(browser: httpx.AsyncClient, page: str, path: str, **fields: str) -> httpx.Response:
    token = _form_token(await browser.get(page, follow_redirects=True))
    return await browser.post(path, data={"form_token": token, **fields})


async def _sign_in(site: Site, login: str, **headers: str) -> httpx.AsyncClient:
    browser = site.browser(**headers)
    answer = await _post(browser, "/sign-in", "/sign-in", login=login, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return browser


async def _family(site: Site, *answers: Decision) -> tuple[str, UUID]:
    """The login of a mother who answered, and her child."""
    mother = uuid4()
    child = site.world.student([mother])
    await site.world.tell(site.world.school(), child)
    for answer in answers:
        await site.world.tell(site.world.consent(mother, child.person_id, answer))
    return await site.world.account(mother), child.person_id


async def test_nobody_is_sent_to_sign_in_and_comes_back_to_the_page(site: Site) -> None:
    login, child = await _family(site, Decision.GIVEN)
    browser = site.browser()
    page = f"/children/{child}?period=year"
    sent = await browser.get(page)
    assert sent.status_code == 303
    form = await browser.get(sent.headers["location"])
    answer = await browser.post(
        "/sign-in",
        data={"form_token": _form_token(form), "login": login, "password": PASSWORD, "next": page},
    )
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert (await browser.get(page)).status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", ""]
)
async def test_signing_in_goes_to_our_own_pages_only(site: Site, elsewhere: str) -> None:
    login, _ = await _family(site)
    answer = await _post(site.browser(), "/sign-in", "/sign-in", login=login, password=PASSWORD, next=elsewhere)
    assert answer.headers["location"] == "/"


async def test_a_wrong_password_is_told_without_saying_which_part_was_wrong(site: Site) -> None:
    login, _ = await _family(site)
    texts = []
    for tried in (login, "nobody"):
        answer = await _post(site.browser(), "/sign-in", "/sign-in", login=tried, password="wrong")
        assert answer.status_code == 422
        texts.append(re.sub(r'value="[^"]*"', "", answer.text))
    assert texts[0] == texts[1]
    assert "Логин и пароль не подходят" in texts[0]


async def test_too_many_attempts_get_a_page_that_says_how_long(site: Site) -> None:
    login, _ = await _family(site)
    for _ in range(4):
        answer = await _post(site.browser(), "/sign-in", "/sign-in", login=login, password="wrong")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "900"
    assert "на 15 минут" in answer.text


async def test_behind_a_trusted_proxy_attempts_are_counted_by_the_address_that_it_names(
    service_database: Databases,
) -> None:
    proxied = _site(service_database, sign_in_failures_per_login=3, trusted_proxies="127.0.0.1")
    async for site in proxied:
        login, _ = await _family(site)
        guesser = {"X-Forwarded-For": "192.0.2.1, 203.0.113.1"}
        for _ in range(4):
            answer = await _post(site.browser(**guesser), "/sign-in", "/sign-in", login=login, password="wrong")
        assert answer.status_code == 429
        made_up = {"X-Forwarded-For": "192.0.2.99, 203.0.113.1"}
        answer = await _post(site.browser(**made_up), "/sign-in", "/sign-in", login=login, password="wrong")
        assert answer.status_code == 429, "what stands before the proxy's own word is the caller's"
        await _sign_in(site, login, **{"X-Forwarded-For": "198.51.100.7"})


async def test_a_forwarded_address_that_no_proxy_of_ours_wrote_does_not_open_what_is_closed(site: Site) -> None:
    login, _ = await _family(site)
    for number in range(4):
        browser = site.browser(**{"X-Forwarded-For": f"198.51.100.{number}"})
        answer = await _post(browser, "/sign-in", "/sign-in", login=login, password="wrong")
    assert answer.status_code == 429


async def test_an_invitation_leads_to_the_first_page(site: Site) -> None:
    mother = uuid4()
    await site.world.tell(site.world.student([mother], given="Анна"))
    code = (await invite(site.world.database, settings_for("unused"), mother)).code
    browser = site.browser()
    answer = await _post(browser, "/join", "/join", code=code, login="mother", password=PASSWORD)
    assert answer.status_code == 303
    assert "Анна Примерова" in (await browser.get("/")).text


async def test_a_refused_invitation_keeps_what_was_typed_but_the_password(site: Site) -> None:
    answer = await _post(site.browser(), "/join", "/join", code="AAAA-BBBB-CCCC", login="mother", password=PASSWORD)
    assert answer.status_code == 422
    assert "Такого кода нет" in answer.text
    assert 'value="AAAA-BBBB-CCCC"' in answer.text
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/join", "/sign-out", "/language"])
async def test_a_form_that_is_not_ours_changes_nothing(site: Site, path: str) -> None:
    login, _ = await _family(site)
    browser = await _sign_in(site, login)
    foreign = _form_token(await site.browser().get("/sign-in"))
    fields = {"login": login, "password": PASSWORD, "language": "en", "code": "x"}
    for token in ("", "0" * 64, foreign):
        answer = await browser.post(path, data={"form_token": token, **fields})
        assert answer.status_code == 403
        assert "Форма устарела" in answer.text
    good = _form_token(await browser.get("/"))
    answer = await browser.post(path, data={"form_token": good, **fields}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert (await browser.get("/")).status_code == 200


async def test_after_signing_out_the_token_opens_nothing(site: Site) -> None:
    login, _ = await _family(site)
    browser = await _sign_in(site, login)
    kept = dict(browser.cookies)
    answer = await _post(browser, "/", "/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert "sutki_session" not in browser.cookies
    thief = site.browser()
    thief.cookies.update(kept)
    assert (await thief.get("/")).status_code == 303


async def test_marks_are_shown_by_subject_with_their_weighted_average_and_by_day(site: Site) -> None:
    world = site.world
    login, child = await _family(site, Decision.GIVEN)
    today = datetime.now(UTC).date()
    await world.tell(
        world.mark(child, "5", lesson_on=today, weight="2.00", work_type=WorkType.CONTROL_WORK),
        world.mark(child, "2", lesson_on=today - timedelta(days=1)),
        world.mark(child, "4", lesson_on=today, subject=Subject(id=SubjectId(uuid4()), title="Химия")),
    )
    browser = await _sign_in(site, login)
    russian = (await browser.get(f"/children/{child}")).text
    assert ">4,00<" in russian.replace(" ", "")
    for text in ("Алгебра", "Химия", "Контрольная работа", "вес 2", "Анна Примерова", "7А", "Школа № 7"):
        assert text in russian, text
    english = (await browser.get(f"/children/{child}", headers=ENGLISH)).text
    assert ">4.00<" in english.replace(" ", "")
    assert "Control work" in english


async def test_final_grades_exams_and_deferrals_are_shown(site: Site) -> None:
    world = site.world
    login, child = await _family(site, Decision.GIVEN)
    other = Subject(id=SubjectId(uuid4()), title="Физика")
    await world.tell(
        world.grade(child, "4"),
        world.grade(child, subject=other, state="deferred", deferred_until=date(2026, 11, 15)),
        world.exam(child, obtained_at=datetime.now(UTC)),
    )
    browser = await _sign_in(site, login)
    for page in (f"/children/{child}", f"/children/{child}/results"):
        text = (await browser.get(page)).text
        for expected in (
            "1 чет.",
            "2026/2027 учебный год",
            "отсрочена до 15 ноября 2026",
            "ОГЭ по математике",
            "22 из 31",
        ):
            assert expected in text, expected


async def test_the_first_page_tells_what_is_new(site: Site) -> None:
    world = site.world
    login, child = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    assert "За последние 7 дней нового нет" in (await browser.get("/")).text
    today = datetime.now(UTC)
    await world.tell(world.grade(child, "5"), world.mark(child, "3", lesson_on=today.date(), recorded_at=today))
    text = (await browser.get("/")).text
    assert "Новые итоги" in text
    assert "Новые отметки" in text


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], "не зарегистрирован"),
        ([Decision.REFUSED], "Вы выбрали бумажную форму"),
        ([Decision.WITHDRAWN], "Вы отозвали согласие"),
    ],
)
async def test_a_closed_page_says_why_and_gives_nothing_away(site: Site, answers: list[Decision], told: str) -> None:
    login, child = await _family(site, *answers)
    browser = await _sign_in(site, login)
    empty = [(await browser.get(page)).text for page in (f"/children/{child}", f"/children/{child}/results", "/")]
    await site.world.tell(site.world.mark(child, "2"), site.world.grade(child, "2"))
    full = [(await browser.get(page)).text for page in (f"/children/{child}", f"/children/{child}/results", "/")]
    assert empty == full
    assert all(told in text for text in full)
    assert all("Алгебра" not in text for text in full)


async def test_a_stale_view_closes_the_pages_for_a_moment(site: Site) -> None:
    login, child = await _family(site, Decision.GIVEN)
    await site.world.tell(site.world.mark(child))
    browser = await _sign_in(site, login)
    async with site.world.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE consent_freshness SET as_of = as_of - interval '2 minutes'")
    for page in (f"/children/{child}", f"/children/{child}/results", "/"):
        text = (await browser.get(page)).text
        assert "Временно закрыто" in text
        assert "Алгебра" not in text


async def test_a_foreign_child_is_answered_like_one_that_does_not_exist(site: Site) -> None:
    login, _ = await _family(site, Decision.GIVEN)
    _, foreign = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    for suffix in ("", "/results"):
        pages = [await browser.get(f"/children/{child}{suffix}") for child in (foreign, uuid4(), "no-id")]
        assert {page.status_code for page in pages} == {404}
        assert {page.status_code for page in [await browser.get(f"/children/{foreign}{suffix}")]} == {404}
        texts = {re.sub(r"/children/[^\"?]*", "", re.sub(r'value="[0-9a-f]{64}"', "", page.text)) for page in pages}
        assert len(texts) == 1


async def test_nobodys_family_is_told_what_to_do(site: Site) -> None:
    login = await site.world.account(uuid4())
    text = (await (await _sign_in(site, login)).get("/")).text
    assert "Детей пока нет" in text


async def test_the_language_is_the_browsers_until_it_is_chosen(site: Site) -> None:
    browser = site.browser()
    assert '<html lang="ru">' in (await browser.get("/sign-in", headers=RUSSIAN)).text
    assert '<html lang="en">' in (await browser.get("/sign-in", headers=ENGLISH)).text
    assert '<html lang="ru">' in (await browser.get("/sign-in", headers={"accept-language": "fr"})).text
    answer = await _post(browser, "/sign-in", "/language", language="en", next="/join")
    assert (answer.status_code, answer.headers["location"]) == (303, "/join")
    assert '<html lang="en">' in (await browser.get("/sign-in", headers=RUSSIAN)).text


@pytest.mark.parametrize(("headers", "title"), [(RUSSIAN, "Такой страницы нет"), (ENGLISH, "No such page")])
async def test_an_unknown_address_is_a_page_in_the_readers_language(
    site: Site, headers: dict[str, str], title: str
) -> None:
    answer = await site.browser().get("/no/such/page", headers=headers)
    assert answer.status_code == 404
    assert title in answer.text


async def test_an_unexpected_error_is_a_page_with_all_its_headers(site: Site) -> None:
    login, child = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    async with site.world.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE schools SET time_zone = 'no/where'")
    answer = await browser.get(f"/children/{child}")
    assert answer.status_code == 500
    assert "У нас что-то сломалось" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"


async def test_every_page_is_protected_by_its_headers_and_brings_nothing_from_elsewhere(site: Site) -> None:
    login, child = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    for path in ("/", f"/children/{child}", f"/children/{child}/results", "/join", "/nothing", "/v1/me/children"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src" not in policy  # nothing but default-src 'none'
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", answer.text), path
    assert (await browser.get("/docs")).status_code == 404


async def test_static_files_are_kept_for_good_under_the_hash_of_their_content(site: Site) -> None:
    browser = site.browser()
    answer = await browser.get(static_url("cabinet.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert (await browser.get("/static/cabinet.0000000000000000.css")).status_code == 404
    assert (await browser.get("/static/..%2fsettings.py")).status_code == 404


async def test_over_https_the_cookies_are_bound_to_the_host(secure_site: Site) -> None:
    login, _ = await _family(secure_site, Decision.GIVEN)
    browser = secure_site.browser()
    answer = await _post(browser, "/sign-in", "/sign-in", login=login, password=PASSWORD)
    (cookie,) = [item for item in answer.headers.get_list("set-cookie") if "session" in item]
    assert cookie.startswith("__Host-sutki_session=")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert "strict-transport-security" in answer.headers
    assert (await browser.get("/")).status_code == 200


async def test_what_is_too_large_is_refused_before_it_is_read(site: Site) -> None:
    answer = await site.browser().post("/sign-in", data={"login": "x" * 20_000})
    assert answer.status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        yield b"login=x"

    assert (await site.browser().post("/sign-in", content=endless())).status_code == 411


async def test_the_api_gives_the_same_to_a_program(site: Site) -> None:
    world = site.world
    login, child = await _family(site, Decision.GIVEN)
    today = datetime.now(UTC).date()
    await world.tell(world.mark(child, "5", lesson_on=today), world.grade(child, "4"))
    browser = await _sign_in(site, login)
    children = (await browser.get("/v1/me/children")).json()
    assert [(item["student_id"], item["access"]) for item in children] == [(str(child), "open")]
    marks = (await browser.get(f"/v1/me/children/{child}/marks")).json()
    assert [item["value"] for item in marks] == ["5"]
    results = (await browser.get(f"/v1/me/children/{child}/results")).json()
    assert [(item["grade"], item["period_kind"], item["value_revision"]) for item in results] == [("4", "quarter", 1)]
    none = await browser.get(f"/v1/me/children/{child}/marks", params={"from": "2020-01-01", "to": "2020-02-01"})
    assert none.json() == []


async def test_the_apis_errors_are_problems(site: Site) -> None:
    login, child = await _family(site, Decision.REFUSED)
    _, foreign = await _family(site, Decision.GIVEN)
    browser = await _sign_in(site, login)
    expected = {
        "/v1/me/children": (site.browser(), 401, "not_signed_in"),
        f"/v1/me/children/{foreign}/marks": (browser, 404, "not_found"),
        f"/v1/me/children/{child}/results": (browser, 403, "closed_refused"),
        "/v1/me/children/no-id/marks": (browser, 422, "invalid_request"),
        "/v1/nothing": (browser, 404, "not_found"),
    }
    for path, (client, status, code) in expected.items():
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_student_reads_their_own_diary(site: Site) -> None:
    _, child = await _family(site, Decision.GIVEN)
    login = await site.world.account(child)
    await site.world.tell(site.world.grade(child, "4"))
    text = (await (await _sign_in(site, login)).get("/")).text
    assert "Мой дневник" in text
    assert "Новые итоги" in text
