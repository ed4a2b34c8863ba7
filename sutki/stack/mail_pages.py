"""The sink's HTTP side: pages to look at the mails with, and JSON for tests."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from sutki.stack.mail_store import Mail, Rule, Rules, Store, body

_WORDS = {
    "ru": {
        "title": "Отправленные письма",
        "about": "Эти письма никуда не ушли: их принял почтовый сервер демонстрации.",
        "count": "Всего писем",
        "newest": "показаны последние",
        "received": "Получено",
        "to": "Кому",
        "sender": "От кого",
        "subject": "Тема",
        "no_subject": "(без темы)",
        "empty": "Писем пока нет. Они появятся, как только родителям станет доступна новая итоговая отметка.",
        "back": "Все письма",
        "raw": "Исходный текст",
        "text": "Текст",
        "html_title": "Письмо, как его видит получатель",
        "switch": "English",
    },
    "en": {
        "title": "Sent mail",
        "about": "These mails went nowhere: the demonstration's own mail server took them.",
        "count": "Mails",
        "newest": "showing the newest",
        "received": "Received",
        "to": "To",
        "sender": "From",
        "subject": "Subject",
        "no_subject": "(no subject)",
        "empty": "No mail yet. It appears as soon as a new final grade is available to parents.",
        "back": "All mails",
        "raw": "Source",
        "text": "Text",
        "html_title": "The mail as its recipient sees it",
        "switch": "Русский",
    },
}
_SHOWN = 500
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
)

Language = Literal["ru", "en"]


def make_app(store: Store, rules: Rules) -> FastAPI:
    """The application; it is reachable from this machine only and knows no sign-in."""
    app = FastAPI(title="Sutki mail sink", docs_url=None, redoc_url=None, openapi_url=None)
    _add_pages(app, store)
    _add_json(app, store, rules)
    return app


def _page(name: str, lang: Language, **values: Any) -> HTMLResponse:
    words = _WORDS[lang]
    other = "en" if lang == "ru" else "ru"
    values = {"title": words["title"], **values}
    text = _templates.get_template(f"{name}.html").render(
        lang=lang, other=other, t=words, switch=words["switch"], **values
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": _PAGE_POLICY, "X-Content-Type-Options": "nosniff"})


def _add_pages(app: FastAPI, store: Store) -> None:
    @app.get("/")
    async def show_list(lang: Language = "ru") -> Response:
        return _page("list", lang, mails=store.list(), shown=_SHOWN)

    @app.get("/mails/{mail_id}")
    async def show_mail(mail_id: str, lang: Language = "ru") -> Response:
        message = store.parsed(mail_id)
        if message is None:
            return RedirectResponse(f"/?lang={lang}", status_code=303)
        mail = next(each for each in store.list() if each.id == mail_id)
        return _page(
            "mail",
            lang,
            title=mail.subject or _WORDS[lang]["no_subject"],
            mail=mail,
            text=body(message, "plain"),
            html=body(message, "html"),
        )

    @app.get("/messages/{mail_id}/html")
    async def show_html(mail_id: str) -> Response:
        message = store.parsed(mail_id)
        html = None if message is None else body(message, "html")
        if html is None:
            raise HTTPException(404)
        return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})

    @app.get("/messages/{mail_id}/raw")
    async def show_raw(mail_id: str) -> Response:
        raw = store.raw(mail_id)
        if raw is None:
            raise HTTPException(404)
        return PlainTextResponse(raw, headers={"X-Content-Type-Options": "nosniff"})


def _add_json(app: FastAPI, store: Store, rules: Rules) -> None:
    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/messages")
    async def messages(
        to: str | None = None, message_id: str | None = None, limit: Annotated[int, Query(ge=0)] = 1_000
    ) -> dict[str, Any]:
        found = store.list(to=to, message_id=message_id)
        return {"count": len(found), "messages": [_as_json(mail) for mail in found[len(found) - limit :][:limit]]}

    @app.get("/messages/{mail_id}")
    async def message(mail_id: str) -> dict[str, Any]:
        parsed = store.parsed(mail_id)
        if parsed is None:
            raise HTTPException(404)
        return {
            "id": mail_id,
            "headers": [[name, str(value)] for name, value in parsed.items()],
            "text": body(parsed, "plain"),
            "html": body(parsed, "html"),
        }

    @app.delete("/messages")
    async def clear() -> dict[str, int]:
        return {"deleted": store.clear()}

    @app.get("/rules")
    async def show_rules() -> list[Rule]:
        return rules.all()

    @app.put("/rules")
    async def set_rules(wanted: list[Rule]) -> list[Rule]:
        rules.replace(wanted)
        return rules.all()


def _as_json(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "message_id": mail.message_id,
        "received_at": mail.received_at.isoformat(),
    }
