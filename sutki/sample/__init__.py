"""A sample district made from a seed: schools, families, marks, grades, exams, consents. Nobody in it is real."""

from sutki.sample.district import District, generate
from sutki.sample.writing import write

__all__ = ["District", "generate", "write"]
