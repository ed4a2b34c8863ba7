"""What the families answered: consent forms, letters of withdrawal, and the accounts that were opened."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from random import Random

from sutki.sample.families import Adult, Child, Family
from sutki.sample.names import Name
from sutki.sample.records import Account, Consent, School, Withdrawal

ADULT_YEARS = 18
AGREEMENT_YEARS = 14

_KINDS = ("given", "refused", "withdrawn", "unanswered", "no_internet")
_SHARES = (80, 6, 4, 7, 3)
_SAME_AS_FIRST = 0.6
"""How often the second representative answers as the first did."""
_EMAIL_SHARE = 0.85
_PUSH_SHARE = 0.4
_ENGLISH_SHARE = 0.03
_STUDENT_ACCOUNT_SHARE = 0.5
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

_PURPOSES = "Сведения об успеваемости обучающегося в электронной форме: личный кабинет, письма, уведомления."
_DATA = (
    "Фамилия, имя, отчество представителя и обучающегося; дата рождения обучающегося; класс; отметки, "
    "итоговые отметки, результаты экзаменов; адрес электронной почты представителя."
)
_ACTIONS = (
    "Сбор, запись, хранение, уточнение, использование, передача законному представителю, удаление; "
    "автоматизированная и смешанная обработка."
)
_TERM = "До окончания обучения в школах района или до отзыва."
_WITHDRAWAL = "Письменным заявлением в школу или в личном кабинете; электронные каналы закрываются сразу."


@dataclass(slots=True)
class Answered:
    """All answers of the district."""

    consents: list[Consent] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)


def answer(rng: Random, families: list[Family], schools: list[School], base: datetime) -> Answered:
    """Lets every family answer, or not.

    Args:
        rng: the only source of chance.
        families: who is asked.
        schools: the operators, by the index that children carry.
        base: ages are judged on its date; the forms were signed in the weeks before it.
    """
    made, forms = Answered(), _Forms(rng, schools, base)
    kinds: dict[str, str] = {}
    for family in families:
        for adult in family.adults:
            if adult.person_id not in kinds:
                kinds[adult.person_id] = _kind(rng, [kinds[a.person_id] for a in family.adults if a.person_id in kinds])
    signs_in: set[str] = set()
    for family in families:
        for child in family.children:
            for adult in _deciders(family, child, base.date()):
                kind = kinds.get(adult.person_id) or _kind(rng, [])
                if kind != "unanswered":
                    _add(made, forms, kind, adult, child)
                if kind in {"given", "withdrawn"}:
                    signs_in.add(adult.person_id)
    made.accounts = list(_accounts(rng, families, signs_in))
    return made


def _kind(rng: Random, before: list[str]) -> str:
    if before and rng.random() < _SAME_AS_FIRST:
        return before[0]
    return rng.choices(_KINDS, _SHARES)[0]


def _deciders(family: Family, child: Child, day: date) -> list[Adult]:
    """From 18 the student decides; before that everybody with authority does."""
    if age(child.birth_date, day) >= ADULT_YEARS:
        return [Adult(child.person_id, child.name, "self")]
    return [adult for adult in family.adults if adult.person_id not in family.without_authority]


def age(birth_date: date, day: date) -> int:
    """Full years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def _add(made: Answered, forms: "_Forms", kind: str, adult: Adult, child: Child) -> None:
    made.consents.append(forms.fill(kind, adult, child))
    if kind == "withdrawn":
        number = f"О-{len(made.withdrawals) + 1:04d}"
        made.withdrawals.append(Withdrawal(adult.person_id, child.person_id, "", number))


class _Forms:
    """Fills in forms; what is the same for one person stays the same on each of their forms."""

    def __init__(self, rng: Random, schools: list[School], base: datetime) -> None:
        self._rng = rng
        self._schools = schools
        self._base = base
        self._numbers = count(1)
        self._people: dict[str, tuple[str, str, date, bool, bool, str]] = {}

    def fill(self, kind: str, adult: Adult, child: Child) -> Consent:
        """One form."""
        giving, number = kind != "refused", next(self._numbers)
        address, passport, issued_on, email, push, language = self._person(adult)
        email, push = email and giving and kind != "no_internet", push and giving and kind != "no_internet"
        decided_at = self._base - timedelta(days=self._rng.randint(7, 60), minutes=self._rng.randint(0, 600))
        school = self._schools[child.school]
        for_oneself = adult.person_id == child.person_id
        older = AGREEMENT_YEARS <= age(child.birth_date, self._base.date()) < ADULT_YEARS
        return Consent(
            representative_id=adult.person_id,
            student_id=child.person_id,
            cabinet="given" if giving else "refused",
            email="given" if email else "refused",
            push="given" if push else "refused",
            no_internet=kind == "no_internet",
            email_address=f"{adult.person_id}@example.org" if email else "",
            language=language,
            document_number=f"С-{number:05d}",
            decided_at=decided_at,
            student_agreed=True if giving and older else None,
            consenter_name=adult.name.full(),
            consenter_address=address,
            identity_kind="паспорт (образец)",
            identity_number=passport,
            identity_issued_on=issued_on,
            identity_issuer="Отдел выдачи образцов № 1",
            on_behalf_of="" if for_oneself else child.name.full(),
            authority_document="" if for_oneself else _authority(adult, child, number),
            operator_name=school.name,
            operator_address=school.address,
            purposes=_PURPOSES,
            data_list=_DATA,
            actions_list=_ACTIONS,
            term=_TERM,
            withdrawal_procedure=_WITHDRAWAL,
            signed=True,
            signed_on=decided_at.date(),
        )

    def _person(self, adult: Adult) -> tuple[str, str, date, bool, bool, str]:
        if adult.person_id not in self._people:
            rng, number = self._rng, int(adult.person_id.rsplit("-", 1)[1])
            self._people[adult.person_id] = (
                f"Примерный район, ул. Образцовая, д. {rng.randint(1, 90)}, кв. {rng.randint(1, 120)}",
                f"00 00 {number:06d}",
                date(2010, 1, 1) + timedelta(days=rng.randrange(3650)),
                rng.random() < _EMAIL_SHARE,
                rng.random() < _PUSH_SHARE,
                "en" if rng.random() < _ENGLISH_SHARE else "ru",
            )
        return self._people[adult.person_id]


def _authority(adult: Adult, child: Child, number: int) -> str:
    paper = "Свидетельство о рождении" if adult.kind == "parent" else "Акт об опеке"
    return f"{paper} (образец) № {number:06d} от {child.birth_date:%d.%m.%Y}"


def _accounts(rng: Random, families: list[Family], signs_in: set[str]) -> Iterator[Account]:
    """For those who consent, and for some students from the fifth grade whose representative does."""
    done: set[str] = set()
    for family in families:
        people: list[tuple[str, str, Name]] = [(a.person_id, "representative", a.name) for a in family.adults]
        consents = any(adult.person_id in signs_in for adult in family.adults)
        for child in family.children:
            some = consents and child.grade >= 5 and rng.random() < _STUDENT_ACCOUNT_SHARE
            if some:
                signs_in.add(child.person_id)
            people.append((child.person_id, "student", child.name))
        for person_id, role, _ in people:
            if person_id in signs_in and person_id not in done:
                done.add(person_id)
                yield Account(person_id, role, person_id.replace("person-", "user"), _password(rng))


def _password(rng: Random) -> str:
    """Readable, and long enough for a demonstration."""
    return "-".join("".join(rng.choices(_LETTERS, k=4)) for _ in range(4))
