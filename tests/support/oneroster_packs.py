"""OneRoster packs with every file of the standard, small and right, to be spoilt by tests."""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

Table = list[list[str]]
"""The header and the rows."""

_BULK = ("", "")


def _rows(header: str, *rows: str) -> Table:
    """`sourcedId,status,dateLastModified` go before the header; the last two are blank, as a bulk file has them."""
    made = [["sourcedId", "status", "dateLastModified", *header.split(",")]]
    for row in rows:
        first, *rest = next(csv.reader([row]))
        made.append([first, *_BULK, *rest])
    return made


def _common() -> dict[str, Table]:
    return {
        "orgs.csv": _rows(
            "name,type,identifier,parentSourcedId", "d,Примерный район,district,,", "s,Школа № 1,school,1,d"
        ),
        "academicSessions.csv": _rows(
            "title,type,startDate,endDate,parentSourcedId,schoolYear",
            "y,2026/2027,schoolYear,2026-09-01,2027-05-31,,2027",
            "q1,Первая четверть,gradingPeriod,2026-09-01,2026-10-25,y,2027",
        ),
        "courses.csv": _rows(
            "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
            'c,y,Алгебра,,"07,08",s,,',
        ),
        "classes.csv": _rows(
            "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods",
            "k1,7А,07,c,,homeroom,,s,y,,,",
            'k2,7А алгебра,07,c,,scheduled,12,s,"y,q1",,,"1,2"',
        ),
        "demographics.csv": _rows("birthDate,sex", "u1,2013-02-03,female"),
        "resources.csv": _rows(
            "vendorResourceId,title,roles,importance,vendorId,applicationId",
            'r,v1,Учебник,"student,teacher",primary,,',
        ),
        "classResources.csv": _rows("title,classSourcedId,resourceSourcedId", "kr,,k2,r"),
        "courseResources.csv": _rows("title,courseSourcedId,resourceSourcedId", "cr,,c,r"),
        "categories.csv": _rows("title,metadata.weight", "cat1,control_work,2", "cat2,final_grade,"),
    }


def pack_11() -> dict[str, Table]:
    """A pack of version 1.1, without its manifest."""
    return {
        **_common(),
        "users.csv": _rows(
            "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
            "agentSourcedIds,grades,password",
            "u1,true,s,student,u1,,Анна,Примерова,Образцовна,,,,,u2,07,",
            'u2,true,"s,d",parent,u2,,Мария,Образцова,,,,,,u1,,',
            "u3,true,s,teacher,u3,,Ольга,Учителева,,,,,,,,",
        ),
        "enrollments.csv": _rows(
            "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
            "e1,k1,s,u1,student,,2026-09-01,",
            "e2,k2,s,u1,student,,,",
            "e3,k2,s,u3,teacher,true,2026-09-01,2027-05-31",
        ),
        "lineItems.csv": _rows(
            "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,"
            "resultValueMin,resultValueMax",
            "l1,Контрольная № 1,,2026-10-05,2026-10-12,k2,cat1,q1,1,5",
            "l2,Четверть,,2026-10-25,2026-10-25,k2,cat2,q1,1,5",
        ),
        "results.csv": _rows(
            "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment",
            "m1,l1,u1,fully graded,5,2026-10-13,Молодец",
            "m2,l2,u1,fully graded,4.0,2026-10-23,",
        ),
    }


def pack_12() -> dict[str, Table]:
    """A pack of version 1.2, without its manifest."""
    return {
        **_common(),
        "users.csv": _rows(
            "enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,"
            "grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,"
            "primaryOrgSourcedId,pronouns",
            "u1,true,u1,,Анна,Примерова,Образцовна,,,,,u2,07,,,,,,s,",
            "u2,true,u2,,Мария,Образцова,,,,,,u1,,,,,,,s,",
            "u3,true,u3,,Ольга,Учителева,,,,,,,,,,,,,s,",
        ),
        "userProfiles.csv": _rows(
            "userSourcedId,profileType,vendorId,applicationId,description,credentialType,username,password",
            "p1,u1,system,v,,,login,u1,",
        ),
        "roles.csv": _rows(
            "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId",
            "ro1,u1,primary,student,,,s,p1",
            "ro2,u2,primary,parent,,,s,",
            "ro3,u3,primary,teacher,,,s,",
        ),
        "enrollments.csv": pack_11()["enrollments.csv"],
        "userResources.csv": _rows("userSourcedId,orgSourcedId,classSourcedId,resourceSourcedId", "ur,u1,s,k2,r"),
        "lineItems.csv": _rows(
            "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,"
            "resultValueMin,resultValueMax,schoolSourcedId",
            "l1,Контрольная № 1,,2026-10-05,2026-10-12,k2,cat1,q1,1,5,s",
            "l2,Четверть,,2026-10-25,2026-10-25,k2,cat2,q1,,,s",
        ),
        "results.csv": _rows(
            "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,"
            "incomplete,late,missing",
            "m1,l1,u1,fully graded,5,2026-10-13,Молодец,,k2,false,false,false,false",
            "m2,l2,u1,fully graded,,2026-10-23,,зач,,,,,",
        ),
        "scoreScales.csv": _rows(
            "title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue",
            'sc,Пятибалльная,numeric,s,c,k2,"{2:2},{3:3},{4:4},{5:5}"',
        ),
        "lineItemLearningObjectiveIds.csv": _rows(
            "lineItemSourcedId,source,learningObjectiveId", "lo,l1,case,https://example.org/1"
        ),
        "lineItemScoreScales.csv": _rows("title,lineItemSourcedId,scoreScaleSourcedId", "ls,,l1,sc"),
        "resultLearningObjectiveIds.csv": _rows(
            "resultSourcedId,source,learningObjectiveId,score,textScore", "rlo,m1,unknown,1,4.5,"
        ),
        "resultScoreScales.csv": _rows("title,resultSourcedId,scoreScaleSourcedId", "rs,,m1,sc"),
    }


def manifest_of(files: Mapping[str, Table], version: str = "1.1", mode: str = "bulk") -> Table:
    """The manifest that announces these files and no other."""
    names = {*pack_11(), *(pack_12() if version == "1.2" else ())} | set(files)
    return [
        ["propertyName", "value"],
        ["manifest.version", "1.0"],
        ["oneroster.version", version],
        *([f"file.{name.removesuffix('.csv')}", mode if name in files else "absent"] for name in sorted(names)),
        ["source.systemName", "Образцовый журнал"],
        ["source.systemCode", ""],
    ]


def as_csv(table: Table, *, delimiter: str = ",", end: str = "\r\n") -> str:
    """The text of a file."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(table)
    return text.getvalue()


def zipped(path: Path, files: Mapping[str, bytes | str | Table]) -> Path:
    """The files as an archive, each as bytes, as text or as a table."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, as_csv(content) if isinstance(content, list) else content)
    return path


def whole(version: str = "1.1", mode: str = "bulk") -> dict[str, Table]:
    """A whole pack with its manifest."""
    files = pack_12() if version == "1.2" else pack_11()
    if mode == "delta":
        for table in files.values():
            for row in table[1:]:
                row[1:3] = ["active", "2026-10-25T10:00:00.000Z"]
    return {"manifest.csv": manifest_of(files, version, mode), **files}
