"""Past grades as they come out of journals and spreadsheets."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.forecast.files import Rejected, Unreadable, exact_parts, read_history, write_forecasts
from services.gradebook.forecast.history import Row
from services.gradebook.forecast.scale import EVEN, shares

PLAIN = "student,subject,period,grade\nу1,физика,1,4\nу1,физика,2,5\n"
TWO_ROWS = (Row("у1", "физика", "1", 4.0), Row("у1", "физика", "2", 5.0))


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("windows-1251"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        ("sep=;\n" + PLAIN.replace(",", ";")).encode(),
        PLAIN.replace("student,subject,period,grade", "STUDENT, Subject ,Period,GRADE").encode(),
        PLAIN.replace("student,subject,period,grade", "Ученик,Предмет,Период,Оценка").encode("windows-1251"),
        PLAIN.replace("\n", "\n\n").encode(),
        PLAIN.replace("\n", ",лишнее\n").encode(),
        "grade,x,period,subject,student\n4,,1,физика,у1\n5,,2,физика,у1\n".encode(),
        'student,subject,period,grade\n"у1","физика","1","4,0"\nу1,физика,2,5-\n'.encode(),
    ],
    ids=lambda content: repr(content[:24]),
)
def test_the_usual_ways_to_write_a_table_mean_the_same(content: bytes):
    reading = read_history(content)
    assert reading.rows == TWO_ROWS
    assert reading.rejected == ()


def test_what_is_no_grade_is_counted_and_what_is_not_understood_is_rejected_with_its_line():
    reading = read_history(
        (
            "student,subject,period,grade\n"
            "у1,физика,1,4\n"
            "у2,физика,1,н/а\n"
            "у3,физика,1,\n"
            "у4,физика,1,осв.\n"
            "у5,физика,1,7\n"
            "у6,физика,1,четыре\n"
            ",физика,1,4\n"
            "у7,физика\n"
            "у1,физика,1,5\n"
            "у1,физика,1,4\n"
            "у8,физика,1,1\n"
        ).encode()
    )
    assert [(row.student, row.grade) for row in reading.rows] == [
        ("у1", 4.0),
        ("у2", None),
        ("у3", None),
        ("у4", None),
        ("у1", 4.0),
        ("у8", 2.0),
    ]
    assert reading.without_grade == {"н/а": 1, "": 1, "осв": 1}
    assert reading.rejected == (
        Rejected(6, "grade", "outside_scale"),
        Rejected(7, "grade", "not_a_grade"),
        Rejected(8, "student", "blank"),
        Rejected(9, "", "short_row"),
        Rejected(10, "", "repeated"),
    )


@pytest.mark.parametrize(
    ("content", "missing"),
    [(b"", "empty"), (b"\n \n", "empty"), (b"student,subject\n1,2\n", "period, grade"), (b"\x00\x01\x02", "student")],
)
def test_a_file_that_is_no_history_is_told_by_what_it_lacks(content: bytes, missing: str):
    with pytest.raises(Unreadable, match=missing):
        read_history(content)


@given(st.binary(max_size=300), st.sampled_from([b"", PLAIN.encode(), PLAIN.encode("windows-1251"), b"sep=;\n"]))
def test_no_content_breaks_the_reading(noise: bytes, start: bytes):
    try:
        reading = read_history(start + noise)
    except Unreadable:
        return
    assert all(row.grade is None or 2 <= row.grade <= 5 for row in reading.rows)


@given(st.lists(st.floats(0, 1, allow_nan=False), min_size=4, max_size=4).filter(lambda parts: sum(parts) > 1e-3))
def test_printed_probabilities_add_up_to_exactly_1(parts: list[float]):
    printed = exact_parts(shares(parts))
    assert sum(int(part.replace(".", "")) for part in printed) == 1_000_000
    assert all(abs(float(part) - chance) < 2e-6 for part, chance in zip(printed, shares(parts), strict=True))


def test_names_with_commas_are_quoted():
    out = io.StringIO()
    write_forecasts(out, [("у,1", "физика", EVEN)])
    assert out.getvalue() == 'student,subject,p2,p3,p4,p5\n"у,1",физика,0.250000,0.250000,0.250000,0.250000\n'
