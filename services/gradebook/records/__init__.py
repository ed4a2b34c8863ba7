"""What a journal sends: one model for each kind of record, the same for CSV, OneRoster and HTTP.

All ids are the journal's own. `state` is optional everywhere: `withdrawn` takes a record back.
"""

from services.gradebook.records.base import (
    ExternalId,
    Record,
    RecordKind,
    from_text,
    required_fields,
)
from services.gradebook.records.core import (
    ExamResultRecord,
    FinalGradeRecord,
    GroupRecord,
    MarkRecord,
    MemberRecord,
    PeriodRecord,
    PersonRecord,
    RepresentativeRecord,
    SchoolRecord,
    SubjectRecord,
)
from services.gradebook.records.journal import (
    AttendanceRecord,
    CampusRecord,
    ControlWorkRecord,
    CurriculumRecord,
    HolidayRecord,
    HomeworkRecord,
    LessonRecord,
    RecommendationRecord,
    SchoolYearRecord,
    SlotRecord,
    SubstitutionRecord,
    TeachingRecord,
)

MODELS: dict[RecordKind, type[Record]] = {
    model.KIND: model
    for model in (
        SchoolRecord,
        CampusRecord,
        SubjectRecord,
        SchoolYearRecord,
        PeriodRecord,
        HolidayRecord,
        PersonRecord,
        GroupRecord,
        MemberRecord,
        RepresentativeRecord,
        TeachingRecord,
        CurriculumRecord,
        SlotRecord,
        LessonRecord,
        SubstitutionRecord,
        ControlWorkRecord,
        HomeworkRecord,
        RecommendationRecord,
        AttendanceRecord,
        MarkRecord,
        FinalGradeRecord,
        ExamResultRecord,
    )
}
"""The model of each kind, in the order of dependence."""

__all__ = [
    "MODELS",
    "AttendanceRecord",
    "CampusRecord",
    "ControlWorkRecord",
    "CurriculumRecord",
    "ExamResultRecord",
    "ExternalId",
    "FinalGradeRecord",
    "GroupRecord",
    "HolidayRecord",
    "HomeworkRecord",
    "LessonRecord",
    "MarkRecord",
    "MemberRecord",
    "PeriodRecord",
    "PersonRecord",
    "RecommendationRecord",
    "Record",
    "RecordKind",
    "RepresentativeRecord",
    "SchoolRecord",
    "SchoolYearRecord",
    "SlotRecord",
    "SubjectRecord",
    "SubstitutionRecord",
    "TeachingRecord",
    "from_text",
    "required_fields",
]
