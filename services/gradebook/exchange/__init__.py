"""The exchange with journals: what files are read, and how. Exports follow the same shapes.

Input is a folder, a ZIP archive or one CSV file; nothing is unpacked to disk. Ids are the journal's own; with the name
of the source they make ours, so that importing the same again changes nothing.

Text is UTF-8 (with or without a byte order mark), UTF-16, Windows-1251 or 1252; fields are separated by comma,
semicolon, tab or bar. Case, spaces, dashes and underscores of headers do not matter, the order of columns neither, and
further columns are left alone. Blank lines are skipped. How rows are read, `table.py` says.

Plain CSV
    schools.csv          school_id,name,address,time_zone
    subjects.csv         subject_id,title
    periods.csv          period_id,school_id,kind,number,school_year,starts_on,ends_on
    people.csv           person_id,role,family,given,patronymic,birth_date,school_id
    groups.csv           group_id,school_id,kind,name,grade_level,subject_id
    members.csv          group_id,person_id
    representatives.csv  representative_id,student_id,kind,in_force
    marks.csv            mark_id,student_id,subject_id,group_id,lesson_on,work_type,weight,value
    final_grades.csv     result_id,student_id,subject_id,period_id,value,obtained_at,held
    exam_results.csv     result_id,student_id,subject_id,kind,title,score,max_score,grade,obtained_at

    Any file may be absent: what is not sent stays as it is. A column `state` may be added: `withdrawn` takes a row back
    (people leave the school, groups close, members leave, authority ends, marks and results are withdrawn).
    Kinds: role student | representative | teacher; period quarter | half_year | year | exam | final; representative
    parent | guardian | other; group class | study_group | study_stream | individual_plan; work_type answer | homework |
    self_study | control_work | lab | project; exam oge | ege | school_exam | competition.
    Marks are 1–5, зач, незач; final grades and exam grades also н/а, осв. Dates are 2026-10-23, instants have an
    offset: 2026-10-23T14:00:00+03:00. True and false: true | false | да | нет | 1 | 0. Decimals have a point or a
    comma.

OneRoster 1.1 and 1.2 CSV, bulk or delta (`status` = `tobedeleted` withdraws)
    manifest.csv      files announced as bulk or delta must be there; blank values announce nothing
    orgs              type school → schools (metadata.address, metadata.timeZone)
    courses           → subjects; but for those with metadata.kind = class, which only stand where a course is wanted
    academicSessions  schoolYear → year, semester → half_year, term and gradingPeriod → quarter, or metadata.kind;
                      numbered by start unless metadata.number; a period of every school in the bundle (its id is
                      `session@school`) unless metadata.schoolSourcedId names one
    users, roles      student; parent, guardian and relative → representative; teacher; others are passed over. The
                      patronymic is middleName, the birth date demographics.birthDate. agentSourcedIds of a student
                      (or of the adult) → representatives, each of its kind in metadata.agentKinds or of the adult's
                      role. Further roles of a user of 1.1: metadata.furtherRoles (role@org, with commas)
    classes           homeroom → class, scheduled → study_group, or metadata.kind; the first of grades;
                      metadata.campusSourcedId. metadata.kind = none: no group, results in it have none
    enrollments       role student → members, from beginDate to endDate; role teacher → teaching under the enrollment's
                      id: of a homeroom its class teacher unless primary is false, otherwise of the course's subject;
                      metadata.teachingRole (subject_teacher, class_teacher) and metadata.subjectSourcedId where that
                      is not so, metadata.authorSourcedId. A delta without the class means what the journal knows of
                      the teaching, or of the group
    categories        title: a work type's code, final_grade, oge, ege, school_exam or competition; metadata.weight
    lineItems         class, category, gradingPeriod or academicSession (1.2); dueDate is the lesson's date,
                      resultValueMax the maximum score (none with metadata.noMaximum); metadata.subjectSourcedId and
                      metadata.groupSourcedId where they are not the class's
    results           score, or textScore (1.2), or metadata.value (зач, н/а …); comment; metadata.obtainedAt,
                      metadata.held, metadata.lessonSourcedId, metadata.authorSourcedId, metadata.reason. A scoreDate
                      alone counts from the first moment of that day in the school's time zone. Lessons have no file:
                      a mark whose lesson the journal does not know is taken without it.

What is not taken is reported with file, line, field and reason; everything else is taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.gradebook.exchange.bundle import Bundle, ExchangeError, Limits
from services.gradebook.exchange.oneroster import OneRoster
from services.gradebook.exchange.oneroster_pack import canonical_name
from services.gradebook.exchange.oneroster_schema import MANIFEST
from services.gradebook.exchange.plain import PlainCsv, file_of
from services.gradebook.exchange.report import Rejection, Report
from services.gradebook.exchange.source import Piece, Read, Source, Step
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code

__all__ = [
    "ExchangeError",
    "Limits",
    "Piece",
    "Read",
    "Rejection",
    "Report",
    "Source",
    "Step",
    "open_source",
]


@contextmanager
def open_source(path: Path, limits: Limits | None = None) -> Iterator[tuple[Source, list[Rejection]]]:
    """Opens files by what they are.

    Args:
        path: a folder, a ZIP archive or a CSV file.
        limits: what may be unpacked.

    Yields:
        The source, and what is wrong with the bundle as a whole.

    Raises:
        ExchangeError: nothing in it can be read.
        FileNotFoundError: there is no such path.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    bundle = Bundle.open(path, limits)
    try:
        names = bundle.names()
        # A second file of a name is as wrong as a second row of an id.
        faults = [Rejection(name, None, "", Code.DUPLICATE_FILE) for name in bundle.duplicates]
        plain = sum(file_of(kind) in names for kind in RecordKind)
        standard = sum(canonical_name(name) is not None for name in names)
        # Some names are of both formats; the manifest is of one only.
        if MANIFEST in names or standard > plain:
            yield OneRoster(bundle), faults
        elif plain:
            yield PlainCsv(bundle), faults
        else:
            raise ExchangeError(Code.NOTHING_KNOWN, path.name)
    finally:
        bundle.close()
