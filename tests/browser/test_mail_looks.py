"""How a mail looks: on a phone and on a wide screen, by day and by night, and for whoever cannot see it."""

import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page

from services.publisher.mail.compose import compose
from tests.support.letters import AT, HEAD, OCCASIONS

WIDTHS = (360, 800)
ColorScheme = Literal["light", "dark"]
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")


def html_of(occasion: str, language: str = "ru") -> str:
    letter = replace(OCCASIONS[occasion](), language=language)
    message = email.message_from_bytes(compose(letter, HEAD, AT).content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(java_script_enabled=True)
    yield await context.new_page()
    await context.close()


async def show(page: Page, html: str, width: int, scheme: ColorScheme) -> list[str]:
    """Shows a mail; returns what it asked the network for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.set_content(html, wait_until="load")
    return asked


@pytest.mark.parametrize("occasion", OCCASIONS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_mail_fits_every_screen_and_asks_for_nothing_from_elsewhere(
    page: Page, tmp_path: Path, occasion: str, width: int, scheme: ColorScheme
):
    for language in ("ru", "en"):
        asked = await show(page, html_of(occasion, language), width, scheme)
        assert asked == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        escaped = await page.evaluate(
            "[...document.querySelectorAll('td, p, h1, h2, div')].filter(e => e.scrollWidth > e.clientWidth + 1 &&"
            " getComputedStyle(e).display !== 'none').map(e => e.textContent.trim())"
        )
        assert escaped == []
        picture = tmp_path / f"{occasion}-{language}-{width}-{scheme}.png"
        await page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("occasion", OCCASIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_mail_can_be_read_by_everybody(page: Page, axe: str, occasion: str, scheme: ColorScheme):
    await show(page, html_of(occasion), 360, scheme)
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


async def test_the_button_is_large_enough_for_a_thumb(page: Page):
    await show(page, html_of("results"), 360, "light")
    box = await page.locator("a.button").bounding_box()
    assert box is not None
    assert box["height"] >= 44
