"""A real Chromium, axe-core, and a running cabinet with a family in it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Browser, async_playwright

from chassis.database import Database
from contracts.base import SubjectId
from contracts.final_grade_set import FinalGradeSet
from contracts.values import Decision, Period, PeriodKind, Subject, WorkType
from services.cabinet.app import build
from sutki.stack.ports import free_port, is_listening
from tests.browser.cabinet_world import World, settings_for
from tests.support.machine import leave_out
from tests.support.waiting import eventually

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = "axe-core@4.14.1"
AXE_SECONDS = 120

SUBJECTS = [
    "Русский язык",
    "Литература",
    "Алгебра",
    "Геометрия",
    "Информатика",
    "История России. Всеобщая история",
    "Обществознание",
    "География",
    "Физика",
    "Биология",
    "Английский язык",
    "Физическая культура",
]
VALUES = ["5", "4", "4", "3", "5", "2", "4", "5", "3", "5"]
WORKS = list(WorkType)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The system's browser."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        leave_out(f"no Chromium on this machine (looked for {', '.join(CHROMIUM)})")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def axe(request: pytest.FixtureRequest) -> str:
    """The source of axe-core: fetched once by npm into pytest's cache."""
    folder = Path(str(request.config.cache.mkdir("axe")))
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        await _fetch_axe(folder)
    if not script.exists():
        leave_out("axe-core cannot be fetched with npm")
    return script.read_text(encoding="utf-8")


async def _fetch_axe(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        leave_out("no npm on this machine to fetch axe-core with")
    process = await asyncio.create_subprocess_exec(
        npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(folder), AXE
    )
    try:
        await asyncio.wait_for(process.wait(), AXE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@dataclass(frozen=True)
class Cabinet:
    """A running cabinet and who is in it."""

    address: str
    world: World
    login: str
    """Of a mother of four."""
    full: UUID
    """Much is known about this child, and it may be shown."""
    empty: UUID
    """Nothing is known yet."""
    refused: UUID
    unanswered: UUID
    student_login: str
    """Of the first child."""


@pytest.fixture
async def cabinet(service_database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Cabinet]:
    """The service on a port of its own, with a family."""
    database = await service_database("cabinet")
    settings = settings_for(database.url, http_port=free_port(), consent_stale_after_seconds=3600)
    service = await build(settings)
    service.roles = ("api",)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await eventually(lambda: is_listening(settings.http_port), within=20, what="the cabinet's port")
    try:
        yield await _settle(World(database), f"http://localhost:{settings.http_port}")
    finally:
        stop.set()
        await running
        await service.database.close()


async def _settle(world: World, address: str) -> Cabinet:
    mother = uuid4()
    full = world.student([mother], given="Анна", birth_date=date(2013, 2, 3))
    empty = world.student([mother], given="Мария", class_name="1Б", grade_level=1, birth_date=date(2019, 5, 1))
    refused = world.student([mother], given="Пётр", family="Примеров", class_name="9В", birth_date=date(2011, 3, 9))
    unanswered = world.student(
        [mother], given="Константин", family="Примеров", class_name="10А", birth_date=date(2010, 3, 9)
    )
    await world.hear()
    await world.tell(world.school("МБОУ «Средняя школа № 7»"), full, empty, refused, unanswered)
    for child, answer in ((full, Decision.GIVEN), (empty, Decision.GIVEN), (refused, Decision.REFUSED)):
        await world.tell(world.consent(mother, child.person_id, answer))
    await _school_year(world, full.person_id)
    return Cabinet(
        address=address,
        world=world,
        login=await world.account(mother, "elena.primerova"),
        full=full.person_id,
        empty=empty.person_id,
        refused=refused.person_id,
        unanswered=unanswered.person_id,
        student_login=await world.account(full.person_id, "anna.primerova"),
    )


async def _school_year(world: World, student_id: UUID) -> None:
    """Two months of marks, a quarter's grades, last year's, two exams."""
    now = datetime.now(UTC)
    today = now.date()
    first = today.year if today.month >= 9 else today.year - 1
    quarter = Period(
        kind=PeriodKind.QUARTER,
        number=1,
        school_year=f"{first}/{first + 1}",
        starts_on=date(first, 9, 1),
        ends_on=min(date(first, 10, 25), today - timedelta(days=30)),
    )
    subjects = [Subject(id=SubjectId(uuid4()), title=title) for title in SUBJECTS]
    for number, subject in enumerate(subjects):
        await world.tell(
            *(
                world.mark(
                    student_id,
                    VALUES[(number * 3 + step) % len(VALUES)],
                    subject=subject,
                    lesson_on=today - timedelta(days=2 * step + number % 3),
                    work_type=WORKS[(number + step) % len(WORKS)],
                    weight="2.00" if (number + step) % len(WORKS) == 3 else "1.00",
                    recorded_at=now - timedelta(days=2 * step),
                )
                for step in range(11)
            )
        )
    await world.tell(*_grades(world, student_id, subjects, quarter, now))
    await world.tell(
        world.exam(student_id, obtained_at=now - timedelta(days=3), title="Муниципальный этап олимпиады по математике")
    )


def _grades(
    world: World, student_id: UUID, subjects: list[Subject], quarter: Period, now: datetime
) -> list[FinalGradeSet]:
    last = f"{int(quarter.school_year[:4]) - 1}/{quarter.school_year[:4]}"
    year = quarter.model_copy(update={"kind": PeriodKind.YEAR, "number": 1, "school_year": last})
    grades: list[FinalGradeSet] = []
    for number, subject in enumerate(subjects):
        if number == 4:
            grades.append(
                world.grade(
                    student_id, subject=subject, period=quarter, state="deferred", deferred_until=date(2026, 12, 15)
                )
            )
        else:
            value = "зач" if number == 11 else VALUES[number % 6 if number % 6 != 5 else 0]
            grades.append(
                world.grade(student_id, value, subject=subject, period=quarter, obtained_at=now - timedelta(hours=30))
            )
        grades.append(world.grade(student_id, VALUES[number % 5], subject=subject, period=year))
    return grades
