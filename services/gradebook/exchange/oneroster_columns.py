"""Which columns of OneRoster are read, and which of them stand for the fields of our records."""

from collections.abc import Sequence

from services.gradebook.records import RecordKind

_META = {"status"}
ORGS = ({"sourcedid", "name", "type"}, _META | {"metadata.address", "metadata.timezone"})
COURSES = ({"sourcedid", "title"}, _META | {"metadata.kind"})
SESSIONS = (
    {"sourcedid", "type", "startdate", "enddate", "schoolyear"},
    _META | {"metadata.number", "metadata.schoolsourcedid", "metadata.kind"},
)
USERS = (
    {"sourcedid", "givenname", "familyname"},
    _META | {"role", "orgsourcedids", "middlename", "agentsourcedids", "metadata.furtherroles", "metadata.agentkinds"},
)
CLASSES = (
    {"sourcedid", "title", "coursesourcedid", "classtype", "schoolsourcedid"},
    _META | {"grades", "metadata.kind", "metadata.campussourcedid"},
)
ENROLLMENTS = (
    {"classsourcedid", "usersourcedid", "role"},
    _META
    | {"sourcedid", "primary", "begindate", "enddate"}
    | {"metadata.teachingrole", "metadata.subjectsourcedid", "metadata.authorsourcedid"},
)
RESULTS = (
    {"sourcedid", "lineitemsourcedid", "studentsourcedid", "score", "scoredate"},
    _META
    | {"comment", "textscore", "metadata.value", "metadata.obtainedat", "metadata.held", "metadata.lessonsourcedid"}
    | {"metadata.authorsourcedid", "metadata.reason"},
)

ORG_COLUMNS = {"school_id": "sourcedId", "address": "metadata.address", "time_zone": "metadata.timeZone"}
COURSE_COLUMNS = {"subject_id": "sourcedId"}
ENROLLMENT_COLUMNS = {
    "group_id": "classSourcedId",
    "person_id": "userSourcedId",
    "joined_on": "beginDate",
    "left_on": "endDate",
    "teaching_id": "sourcedId",
    "teacher_id": "userSourcedId",
    "subject_id": "classSourcedId",
    "role": "metadata.teachingRole",
    "starts_on": "beginDate",
    "ends_on": "endDate",
    "author_id": "metadata.authorSourcedId",
}
SESSION_COLUMNS = {
    "period_id": "sourcedId",
    "kind": "type",
    "number": "metadata.number",
    "school_year": "schoolYear",
    "starts_on": "startDate",
    "ends_on": "endDate",
}
USER_COLUMNS = {
    "person_id": "sourcedId",
    "family": "familyName",
    "given": "givenName",
    "patronymic": "middleName",
    "birth_date": "demographics.birthDate",
    "school_id": "orgSourcedIds",
}
AGENT_COLUMNS = {"representative_id": "agentSourcedIds", "student_id": "sourcedId"}
CLASS_COLUMNS = {
    "group_id": "sourcedId",
    "school_id": "schoolSourcedId",
    "kind": "classType",
    "name": "title",
    "grade_level": "grades",
    "subject_id": "courseSourcedId",
}
RESULT_COLUMNS = {
    "mark_id": "sourcedId",
    "result_id": "sourcedId",
    "student_id": "studentSourcedId",
    "subject_id": "lineItemSourcedId",
    "period_id": "lineItemSourcedId",
    "group_id": "lineItemSourcedId",
    "lesson_on": "scoreDate",
    "work_type": "lineItemSourcedId",
    "weight": "lineItemSourcedId",
    "title": "lineItemSourcedId",
    "value": "score",
    "grade": "metadata.value",
    "obtained_at": "metadata.obtainedAt",
    "held": "metadata.held",
}

_COLUMNS_OF = {
    RecordKind.SCHOOLS: ORG_COLUMNS,
    RecordKind.SUBJECTS: COURSE_COLUMNS,
    RecordKind.PERIODS: SESSION_COLUMNS,
    RecordKind.PEOPLE: USER_COLUMNS,
    RecordKind.GROUPS: CLASS_COLUMNS,
    RecordKind.MEMBERS: ENROLLMENT_COLUMNS,
    RecordKind.REPRESENTATIVES: AGENT_COLUMNS,
}


def columns_of(kinds: Sequence[RecordKind]) -> dict[str, str]:
    """The columns of OneRoster for the fields of our records."""
    return _COLUMNS_OF.get(kinds[0], RESULT_COLUMNS) if kinds else {}
