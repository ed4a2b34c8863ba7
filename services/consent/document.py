"""What a written consent must contain (Federal Law 152-FZ, article 9, part 4), and what a given one lacks."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.consent.faults import Fault

Line = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


Reference = Annotated[str, Field(max_length=200, pattern=r"^[!-~]*$")]
"""Something opaque: no blanks and no letters in which a name could be written."""

APART = frozenset({"number", "scan_sha256", "scan_reference", "signed_by", "signed_at", "session_reference"})
"""How the document is kept and how it was signed, beside what it says."""


class MissingPart(Fault):
    """A part that the law asks for and the document lacks."""


class ConsentDocument(BaseModel):
    """The contents of a written consent. Every part may be blank here, so that all that is missing is named at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)

    consenter_name: Line = ""
    """Who consents: family name, given name, patronymic."""
    consenter_address: Line = ""
    identity_kind: Line = ""
    """The kind of the identity document, such as «паспорт гражданина РФ»."""
    identity_number: Line = ""
    """Series and number."""
    identity_issued_on: date | None = None
    identity_issuer: Line = ""
    on_behalf_of: Line = ""
    """The student's name; blank where an adult student consents for themself."""
    authority_document: Line = ""
    """What proves the authority: birth certificate, act of guardianship; blank where an adult student consents."""
    operator_name: Line = ""
    operator_address: Line = ""
    purposes: Text = ""
    data_list: Text = ""
    """The list of personal data."""
    actions_list: Text = ""
    """The list of actions with the data, and the ways of processing."""
    term: Line = ""
    """How long the consent holds."""
    withdrawal_procedure: Text = ""
    """How it can be withdrawn."""
    signed: bool = False
    """The person signed: by hand, or by a simple electronic signature."""
    signed_on: date | None = None
    number: Line = ""
    """The number under which the school registered the paper."""
    scan_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the scan, so that the paper can be proved later without keeping a copy here."""
    scan_reference: Reference = ""
    """Where the scan is kept: an opaque reference, named together with the hash or not at all."""
    signed_by: UUID | None = None
    """Of an electronic document: who was signed in. Nobody signs for somebody else."""
    signed_at: AwareDatetime | None = None
    """Of an electronic document: when it was signed."""
    session_reference: Reference = ""
    """Of an electronic document: the opaque reference of the sign-in, by which the signature can be proved."""


_PARTS: dict[str, tuple[str, str]] = {
    "consenter_name": ("кто даёт согласие: фамилия, имя, отчество", "who consents: the full name"),
    "consenter_address": ("адрес дающего согласие", "the address of who consents"),
    "identity_kind": ("вид документа, удостоверяющего личность", "the kind of the identity document"),
    "identity_number": ("номер документа, удостоверяющего личность", "the number of the identity document"),
    "identity_issued_on": (
        "дата выдачи документа, удостоверяющего личность",
        "the date of issue of the identity document",
    ),
    "identity_issuer": ("кем выдан документ, удостоверяющий личность", "the issuer of the identity document"),
    "on_behalf_of": ("за кого даётся согласие", "on whose behalf consent is given"),
    "authority_document": (
        "документ, подтверждающий полномочия представителя",
        "the document that proves the authority",
    ),
    "operator_name": ("наименование оператора", "the name of the operator"),
    "operator_address": ("адрес оператора", "the address of the operator"),
    "purposes": ("цель обработки персональных данных", "the purpose of the processing"),
    "data_list": ("перечень персональных данных", "the list of personal data"),
    "actions_list": ("перечень действий и способы обработки", "the list of actions and ways of processing"),
    "term": ("срок действия согласия", "the term of the consent"),
    "withdrawal_procedure": ("порядок отзыва согласия", "how the consent can be withdrawn"),
    "signed": ("подпись", "the signature"),
    "signed_on": ("дата подписи", "the date of the signature"),
    "signed_by": ("кто подписал электронно", "who signed electronically"),
    "signed_at": ("момент электронной подписи", "the instant of the electronic signature"),
    "session_reference": ("сеанс, в котором подписано", "the sign-in in which it was signed"),
}

_OF_REPRESENTATIVES = frozenset({"on_behalf_of", "authority_document"})
_OF_ELECTRONIC = frozenset({"signed_by", "signed_at", "session_reference"})
_OF_REFUSALS = frozenset({"consenter_name", "signed", "signed_on", *_OF_ELECTRONIC})
"""A refusal permits nothing, so it needs only what tells who refused and when."""


def missing_parts(
    document: ConsentDocument, *, giving: bool = True, for_oneself: bool = False, electronic: bool = False
) -> list[MissingPart]:
    """The parts that the document lacks, in the order in which a form has them.

    Args:
        document: what was written.
        giving: whether something is consented to; a refusal needs far less.
        for_oneself: whether an adult student consents, who represents nobody.
        electronic: whether it was signed by somebody signed in, and not by hand.
    """
    needed = [part for part in _PARTS if giving or part in _OF_REFUSALS]
    if for_oneself:
        needed = [part for part in needed if part not in _OF_REPRESENTATIVES]
    if not electronic:
        needed = [part for part in needed if part not in _OF_ELECTRONIC]
    return [
        MissingPart(
            code=f"missing_{part}",
            field=f"document.{part}",
            ru=f"В документе не указано: {_PARTS[part][0]}.",
            en=f"The document lacks {_PARTS[part][1]}.",
        )
        for part in needed
        if not getattr(document, part)
    ]
