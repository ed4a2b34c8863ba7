"""One running system for the tests of all clauses: the sample school, whose whole journal came by its front door."""

from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.attendance_recorded import AttendanceRecorded
from contracts.control_work_changed import ControlWorkChanged
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.forecast_updated import ForecastUpdated
from contracts.holidays_changed import HolidaysChanged
from contracts.homework_changed import HomeworkChanged
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import StudyGroupChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.timetable_changed import TimetableChanged
from tests.e2e.clauses.diary import REQUEST_SECONDS, Diary, Told, archive
from tests.support import folders
from tests.support.system import System

HEARD = (
    AttendanceRecorded, ControlWorkChanged, ExamResultRecorded, FinalGradeSet, ForecastUpdated, HolidaysChanged,
    HomeworkChanged, MarkRecorded, RecommendationChanged, StudyGroupChanged, SubstitutionChanged, TimetableChanged,
)  # fmt: skip
STEPS = ("journal", "marks", "finals", "exams")


@pytest.fixture(scope="package")
async def diary(kafka_broker: object) -> AsyncIterator[Diary]:
    """The school."""
    folder = folders.make("clauses")
    try:
        async with (
            System.running(folder, students=60) as system,
            Told.of(system.stack.broker.bootstrap, *HEARD) as told,
            system.api() as http,
        ):
            http.timeout = httpx.Timeout(REQUEST_SECONDS)
            school = Diary(system, told, http)
            files = [file for step in STEPS for file in system.files(step)]
            report = await school.import_archive("journal.zip", archive(folder / "district", *files))
            assert (report["exit_code"], report["rejected"]) == (0, 0), report
            yield school
    finally:
        folders.remove(folder)
