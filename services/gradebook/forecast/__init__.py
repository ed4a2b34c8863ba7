"""The forecast of final grades (C4): from earlier periods, and from the marks of the running one. See docs/forecast.md.

Pure, apart from `files`, which reads and writes tables. `model` and what stands on it need numpy; `running`, which the
journal calls at every mark, does not.
"""
