"""The cabinet in a real browser: it fits a phone, axe finds nothing, the keyboard suffices, no scripts are needed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page

from chassis.database import DISTRICT
from services.cabinet.handlers import invite
from tests.browser.cabinet_world import PASSWORD, settings_for
from tests.browser.conftest import Cabinet

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SCREENSHOTS = os.environ.get("SUTKI_SCREENSHOTS", "")
"""A folder to keep a picture of every page in, to be looked at."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {"phone": 360, "desk": 1280}
Scheme = Literal["light", "dark"]


@asynccontextmanager
async def _open(
    chromium: Browser,
    cabinet: Cabinet,
    *,
    width: int = 360,
    language: str = "ru",
    scheme: Scheme = "light",
    **more: Any,
) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        base_url=cabinet.address,
        viewport={"width": width, "height": 800},
        locale=language,
        color_scheme=scheme,
        **more,
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _sign_in(page: Page, login: str) -> None:
    await page.goto("/sign-in")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.click("button.main")
    await page.wait_for_url("**/")


def _pages(cabinet: Cabinet) -> dict[str, str]:
    return {
        "home": "/",
        "child": f"/children/{cabinet.full}",
        "child-year": f"/children/{cabinet.full}?period=year",
        "results": f"/children/{cabinet.full}/results",
        "empty": f"/children/{cabinet.empty}",
        "empty-results": f"/children/{cabinet.empty}/results",
        "refused": f"/children/{cabinet.refused}",
        "unanswered": f"/children/{cabinet.unanswered}",
        "not-found": f"/children/{uuid4()}",
    }


async def _picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


async def _assert_fits(page: Page, name: str) -> None:
    wide: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_fits_and_axe_finds_nothing(
    chromium: Browser, axe: str, cabinet: Cabinet, width: str, scheme: Scheme, language: str
) -> None:
    async with _open(chromium, cabinet, width=WIDTHS[width], language=language, scheme=scheme) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        look = f"{width}-{scheme}-{language}"
        for name in ("sign-in", "join"):
            await page.goto(f"/{name}")
            await _check(page, axe, f"{name}-{look}")
        await page.goto("/sign-in")
        await page.fill("#login", "nobody")
        await page.fill("#password", "wrong")
        await page.click("button.main")
        await _check(page, axe, f"sign-in-refused-{look}")
        await _sign_in(page, cabinet.login)
        for name, path in _pages(cabinet).items():
            await page.goto(path)
            await _check(page, axe, f"{name}-{look}")
        allowed = ("404", "422")  # the browser notes the status of pages that are errors
        assert [text for text in complaints if not any(f"status of {code}" in text for code in allowed)] == []


async def _check(page: Page, axe: str, name: str) -> None:
    await _picture(page, name)
    await _assert_fits(page, name)
    await page.evaluate(axe)
    found = await page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES)
    faults = [(item["id"], [node["html"][:200] for node in item["nodes"]]) for item in found["violations"]]
    assert faults == [], name
    assert len(found["passes"]) > 10


async def test_the_stale_view_and_the_students_own_page_fit_too(chromium: Browser, axe: str, cabinet: Cabinet) -> None:
    async with _open(chromium, cabinet) as page:
        await _sign_in(page, cabinet.student_login)
        await _check(page, axe, "student-home")
        async with cabinet.world.database.transaction(DISTRICT) as conn:
            await conn.execute("DELETE FROM consent_freshness")
        await page.goto(f"/children/{cabinet.full}")
        await _check(page, axe, "stale")
        assert await page.get_by_text("Временно закрыто").is_visible()


async def test_everything_works_without_scripts(chromium: Browser, cabinet: Cabinet) -> None:
    father = uuid4()
    code = (await invite(cabinet.world.database, settings_for("unused"), father)).code
    async with _open(chromium, cabinet, java_script_enabled=False) as page:
        await page.goto("/")
        await page.get_by_role("link", name="Зарегистрироваться").click()
        await page.fill("#code", code.lower())
        await page.fill("#login", "father")
        await page.fill("#password", PASSWORD)
        await page.get_by_role("button", name="Зарегистрироваться").click()
        assert await page.get_by_text("Детей пока нет").is_visible()
        await page.get_by_role("button", name="English").click()
        assert await page.get_by_text("No children yet").is_visible()
        await page.get_by_role("button", name="Sign out").click()
        await page.fill("#login", cabinet.login)
        await page.fill("#password", PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="Анна Примерова").click()
        assert await page.get_by_role("heading", name="Marks by subject").is_visible()
        await page.get_by_text("Earlier:").click()
        await page.get_by_role("link", name="Quarter 1").click()
        assert "period=quarter-1" in page.url
        await page.get_by_role("link", name="Grades and exams").click()
        assert await page.get_by_role("cell", name="5").first.is_visible()


async def test_the_keyboard_alone_suffices(chromium: Browser, cabinet: Cabinet) -> None:
    async with _open(chromium, cabinet) as page:
        await page.goto("/sign-in")
        await page.keyboard.press("Tab")
        assert await _focused(page) == "Перейти к содержанию"
        await page.keyboard.press("Enter")
        await _tab_to(page, "login")
        await page.keyboard.type(cabinet.login)
        await _tab_to(page, "password")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/")
        await _tab_to(page, "Анна Примерова")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/children/{cabinet.full}")
        await _tab_to(page, "Весь год")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**period=year")


_FOCUSED = "document.activeElement.id || document.activeElement.textContent.trim()"


async def _focused(page: Page) -> str:
    text: str = await page.evaluate(_FOCUSED)
    return text


async def _tab_to(page: Page, what: str) -> None:
    for _ in range(60):
        if await _focused(page) == what:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not come to {what}")


async def test_nothing_is_fetched_from_elsewhere(chromium: Browser, cabinet: Cabinet) -> None:
    async with _open(chromium, cabinet) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await _sign_in(page, cabinet.login)
        for path in _pages(cabinet).values():
            await page.goto(path)
        assert len(asked) > 10
        assert [url for url in asked if not url.startswith(cabinet.address)] == []


async def test_on_paper_there_are_marks_and_no_buttons(chromium: Browser, cabinet: Cabinet) -> None:
    async with _open(chromium, cabinet, width=800, scheme="dark") as page:
        await _sign_in(page, cabinet.login)
        await page.goto(f"/children/{cabinet.full}")
        await page.emulate_media(media="print")
        await _picture(page, "print")
        assert await page.get_by_text("Алгебра").first.is_visible()
        assert not await page.get_by_role("button", name="Выйти").is_visible()
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
