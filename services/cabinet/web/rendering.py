"""Templates to answers."""

from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.values import Language
from services.cabinet.web.security import LANGUAGE_COOKIE, cookies_of
from services.cabinet.web.texts import TRANSLATIONS, WORDS, choose_language

HERE = Path(__file__).parent
_STATIC_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class StaticFile:
    """A file whose name bears the hash of its content, so that browsers may keep it for good."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.media_type = _STATIC_TYPES[path.suffix]
        self.name = f"{path.stem}.{sha256(self.content).hexdigest()[:16]}{path.suffix}"


STATIC = {path.name: StaticFile(path) for path in sorted((HERE / "static").iterdir()) if path.suffix in _STATIC_TYPES}
STATIC_BY_URL_NAME = {file.name: file for file in STATIC.values()}


def static_url(name: str) -> str:
    """The address of a static file, with its hash."""
    return f"/static/{STATIC[name].name}"


_TONES = {"5": "good", "зач": "good", "4": "fair", "3": "weak", "2": "bad", "1": "bad", "незач": "bad"}
_CHIP = Markup('<span class="chip {}">{}</span>')
_CHIP_IN_WORDS = Markup('<span class="chip {}" title="{}">{}<span class="unseen"> ({})</span></span>')


@cache
def chip(language: Language, value: str) -> Markup:
    """A mark or grade as a coloured tile; what is no number is also said in words.

    Python and not a template's macro: a page has hundreds, of a dozen kinds.
    """
    tone, word = _TONES.get(value, "plain"), WORDS[language].grade_word(value)
    return _CHIP_IN_WORDS.format(tone, word, value, word) if word else _CHIP.format(tone, value)


def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(TRANSLATIONS[language], newstyle=True)  # type: ignore[attr-defined]
    words = WORDS[language]
    environment.globals.update(words=words, language=language.value, static_url=static_url)
    # Filters where a page has hundreds: a filter's call costs a template less than a function's.
    environment.filters.update(
        chip=partial(chip, language),
        day=words.day,
        short_day=words.short_day,
        weekday=words.weekday,
        work_type=words.work_type,
    )
    return environment


_ENVIRONMENTS = {language: _environment(language) for language in Language}


def language_of(request: Request) -> Language:
    """In which language to answer."""
    return choose_language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        request: decides language and form token.
        template: the file's name.
        status_code: of the answer.
        values: for the template.
    """
    cookies = cookies_of(request)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    page = _ENVIRONMENTS[language_of(request)].get_template(template)
    html = page.render(
        form_token=cookies.form_token(request),
        here=path if request.method == "GET" else request.url.path,
        signed_in=getattr(request.state, "person_id", None) is not None,
        **values,
    )
    response = HTMLResponse(html, status_code=status_code, headers={"Vary": "Cookie, Accept-Language"})
    response.headers["Content-Language"] = language_of(request).value
    cookies.keep_form_secret(request, response)
    return response
