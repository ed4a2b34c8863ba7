"""What others are told about a consent."""

from contracts.consent_changed import ConsentChanged, Contact, Decisions
from services.consent.model import Consent


def consent_changed(consent: Consent) -> ConsentChanged:
    """The event of a state. It follows from the state alone, so that a replay says the same under the same id."""
    contact = Contact(email=consent.email_address, language=consent.language) if consent.answers.given() else None
    return ConsentChanged(
        revision=consent.revision,
        consent_id=consent.consent_id,
        representative_id=consent.representative_id,
        student_id=consent.student_id,
        school_id=consent.school_id,
        decisions=Decisions(cabinet=consent.answers.cabinet, email=consent.answers.email, push=consent.answers.push),
        no_internet=consent.no_internet,
        document=consent.document,
        contact=contact,
        decided_at=consent.decided_at,
        effective_from=consent.effective_from,
        authority=consent.authority,
    )
