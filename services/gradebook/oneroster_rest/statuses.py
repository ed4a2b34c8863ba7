"""Errors as OneRoster's REST binding words them: `imsx_StatusInfo` with a major and a minor code."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from fastapi.responses import JSONResponse

from chassis.problems import Problem


class Minor(StrEnum):
    """The minor codes of version 1.2."""

    INVALID_FILTER_FIELD = "invalid_filter_field"
    INVALID_SELECTION_FIELD = "invalid_selection_field"
    INVALID_DATA = "invaliddata"
    UNAUTHORISED = "unauthorisedrequest"
    FORBIDDEN = "forbidden"
    SERVER_BUSY = "server_busy"
    UNKNOWN_OBJECT = "unknownobject"
    INTERNAL_ERROR = "internal_server_error"


_MINOR_OF = {
    401: Minor.UNAUTHORISED,
    403: Minor.FORBIDDEN,
    404: Minor.UNKNOWN_OBJECT,
    429: Minor.SERVER_BUSY,
    503: Minor.SERVER_BUSY,
}


class StatusInfo(Problem):
    """Ends a request with a status of the binding."""

    def __init__(
        self, status: int, minor: Minor, description: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, str(minor), description)
        self.minor = minor
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON object that is sent."""
        field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": str(self.minor)}
        return {
            "imsx_codeMajor": "failure",
            "imsx_severity": "error",
            "imsx_description": self.title,
            "imsx_CodeMinor": {"imsx_codeMinorField": [field]},
        }

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body(), status_code=self.status, headers=self.headers)


def of_problem(problem: Problem) -> StatusInfo:
    """The same failure in OneRoster's words."""
    if isinstance(problem, StatusInfo):
        return problem
    return StatusInfo(problem.status, _MINOR_OF.get(problem.status, Minor.INVALID_DATA), problem.title)


def unknown_object(sourced_id: str) -> StatusInfo:
    """There is no such object, or it is another school's: the client cannot tell which."""
    return StatusInfo(
        404, Minor.UNKNOWN_OBJECT, f"Объект «{sourced_id}» не найден. / There is no object {sourced_id!r}."
    )


def invalid_data(description: str) -> StatusInfo:
    """What was sent cannot be taken."""
    return StatusInfo(422, Minor.INVALID_DATA, description)
