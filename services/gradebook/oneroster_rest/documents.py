"""What OpenAPI says about the API beyond what follows from the code."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.gradebook.oneroster_rest.tokens import SCOPES


class Token(BaseModel):
    """An access token."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    access_token: str
    token_type: str
    """Always `bearer`."""
    expires_in: int
    """Seconds."""
    scope: str
    """What it opens."""


class TokenRefusal(BaseModel):
    """Why no token was given (RFC 6749 §5.2)."""

    error: str
    error_description: str


class CodeMinorField(BaseModel):
    """A minor code and who gave it."""

    imsx_codeMinorFieldName: str  # noqa: N815 - the binding's name
    imsx_codeMinorFieldValue: str  # noqa: N815


class CodeMinor(BaseModel):
    """The minor codes."""

    imsx_codeMinorField: list[CodeMinorField]  # noqa: N815


class StatusInfoDocument(BaseModel):
    """A status of the binding."""

    imsx_codeMajor: str  # noqa: N815
    imsx_severity: str
    imsx_description: str
    imsx_CodeMinor: CodeMinor  # noqa: N815


TOKEN_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "client_credentials"},
                        "scope": {
                            "type": "string",
                            "description": "With spaces between; all that the client may by default. "
                            + "; ".join(f"`{name}`: {text}" for name, text in SCOPES.items()),
                        },
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    }
}
_REFUSAL = {"model": TokenRefusal}
TOKEN_ERRORS: dict[int | str, dict[str, Any]] = {
    400: _REFUSAL,
    401: _REFUSAL,
    429: {
        "model": StatusInfoDocument,
        "description": "Too many wrong secrets, or too many tokens: keep a token as long as it lasts.",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
}

_TEXTS = {
    400: "The query does not fit: `invalid_filter_field`, `invalid_selection_field` or `invaliddata`.",
    401: "There is no access token, or none in force.",
    403: "The token lacks the scope.",
    404: "There is no such object in what the client may see.",
    422: "What was sent cannot be taken.",
}


def statuses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors that a path may answer with."""
    return {code: {"model": StatusInfoDocument, "description": _TEXTS[code]} for code in codes}


def page_responses(*, nested: bool) -> dict[int | str, dict[str, Any]]:
    """The answers of a collection."""
    headers = {
        "X-Total-Count": {"description": "How many fit in all.", "schema": {"type": "integer"}},
        "Link": {"description": "first, prev, next and last (RFC 8288).", "schema": {"type": "string"}},
    }
    return {200: {"headers": headers}} | statuses(400, 401, 403, *([404, 422] if nested else []))


ONE_RESPONSES = statuses(400, 401, 403, 404, 422)


def path_parameters(names: Sequence[str]) -> dict[str, Any]:
    """The variables of a path, which the functions read from the request."""
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }
