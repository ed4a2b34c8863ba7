"""What anybody may ask: how much was available within 24 hours. No sign-in, no personal data, nothing of few."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict

from services.publisher.domain.figures import FEW, Counts, Span
from services.publisher.figures import Figure, FigureCache
from services.publisher.public import page
from services.publisher.public.page import Language

PUBLIC_FOR_SECONDS = 60


class SharedCounts(BaseModel):
    """What became of obligations due in a span; no number where they are few."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    not_told: Literal["few", "protects_few"] | None
    """`few`: fewer than ten. `protects_few`: otherwise the number of a school with few would follow from the sum."""
    percent: float | None
    """Available within 24 hours, of all whose time is over and that were recorded in time; cut to two digits."""
    in_time: int | None
    late_by_us: int | None
    unmet_by_us: int | None
    """The 24 hours passed, and it is still owed or ended otherwise."""
    late_at_source: int | None
    """Recorded when the 24 hours had passed already; available at once."""
    unmet_at_source: int | None
    still_open: int | None
    """The 24 hours still run."""
    closed_days: int | None
    """Of the late and unmet: paper whose 24 hours touched a closed day."""


class SchoolFigure(SharedCounts):
    """A school's."""

    school_id: UUID
    name: str | None


class FigureView(BaseModel):
    """The public figure of a span."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    span: Span
    first: date
    last: date
    closed_days_apart: bool
    """Whether `closed_days` are left out of the per cent (a setting of the district)."""
    district: SharedCounts
    schools: list[SchoolFigure]
    """Empty for a day: single schools are told by month, quarter and school year only."""


def make_public_router(cache: FigureCache, *, closed_days_apart: bool = False) -> APIRouter:
    """The public endpoint over a cache."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/public/figure",
        response_model=FigureView,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}, "text/csv": {"schema": {}}}}},
    )
    async def public_figure(
        *,
        span: Span = Span.MONTH,
        on: Annotated[date | None, Query(description="A day of the span; today when absent.")] = None,
        school_id: Annotated[UUID | None, Query(description="Only this school.")] = None,
        format: Literal["json", "html", "csv"] | None = None,  # noqa: A002 - its name in the address
        lang: Language | None = None,
        accept: Annotated[str, Header()] = "",
        accept_language: Annotated[str, Header()] = "",
    ) -> Response:
        """Available within 24 hours, per cent: the district by day, it and its schools by month, quarter or year."""
        if on is not None:
            # A calendar's end is nobody's span.
            on = min(max(on, date(2000, 1, 1)), date(2199, 12, 31))
        view = shared(await cache.get(span, on), school_id, closed_days_apart=closed_days_apart)
        answer = _answer(
            view, format or ("html" if "text/html" in accept else "json"), _language(lang, accept_language)
        )
        answer.headers["Cache-Control"] = f"public, max-age={PUBLIC_FOR_SECONDS}"
        answer.headers["Vary"] = "Accept, Accept-Language"
        return answer

    return router


def _answer(view: FigureView, form: str, language: Language) -> Response:
    if form == "html":
        return HTMLResponse(page.html(view, language), headers={"Content-Language": language})
    if form == "csv":
        return Response(page.table(view), media_type="text/csv")
    return JSONResponse(view.model_dump(mode="json"))


def _language(asked: Language | None, accepted: str) -> Language:
    if asked:
        return asked
    first = accepted.split(",", maxsplit=1)[0].strip().lower()
    return "en" if first.startswith("en") else "ru"


def shared(figure: Figure, school_id: UUID | None = None, *, closed_days_apart: bool = False) -> FigureView:
    """The figure without what would tell of few."""
    district_few = 0 < figure.district.total < FEW
    return FigureView(
        span=figure.span,
        first=figure.first,
        last=figure.last,
        closed_days_apart=closed_days_apart,
        district=SharedCounts(**_told(figure.district, "few" if district_few else None, closed_days_apart)),
        schools=[
            SchoolFigure(
                school_id=one.school_id,
                name=one.name,
                **_told(one.counts, _why_not(one.counts, one.school_id in figure.hidden), closed_days_apart),
            )
            for one in figure.schools
            if school_id is None or one.school_id == school_id
        ],
    )


def _why_not(counts: Counts, hidden: bool) -> Literal["few", "protects_few"] | None:
    if not hidden:
        return None
    return "few" if counts.total < FEW else "protects_few"


def _told(counts: Counts, not_told: str | None, closed_days_apart: bool) -> dict[str, Any]:
    names = ("in_time", "late_by_us", "unmet_by_us", "late_at_source", "unmet_at_source", "still_open", "closed_days")
    return {
        "not_told": not_told,
        "percent": None if not_told else counts.percent(closed_days_apart=closed_days_apart),
        **{name: None if not_told else getattr(counts, name) for name in names},
    }
