"""`make bench`: a grade's whole path (see `full_path`), the import of a school's pack (see `import_path`), a district's
statistics (see `district_statistics`), the publisher's obligations (see `obligations`) and its mails (see `mails`).

`make bench ARGS="--only import --results 1000000"` runs one of them, larger.
"""

import argparse
import sys

from tests.bench import district_statistics, full_path, import_path, mails, obligations

BENCHMARKS = ("path", "import", "statistics", "obligations", "mails")

parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
parser.add_argument("--only", choices=BENCHMARKS, help="one of the benchmarks; otherwise all")
parser.add_argument("--grades", type=int, default=full_path.GRADES, help="final grades on the whole path")
parser.add_argument("--students", type=int, default=full_path.STUDENTS, help="students of the district they are of")
parser.add_argument("--results", type=int, default=import_path.RESULTS, help="results in the OneRoster pack")
parser.add_argument("--marks", type=int, default=district_statistics.MARKS, help="marks of the district")
parser.add_argument("--mails", type=int, default=mails.MAILS, help="mails to send")
arguments = parser.parse_args()
wanted = {arguments.only} if arguments.only else set(BENCHMARKS)
if "path" in wanted:
    full_path.run(arguments.grades, arguments.students)
within_limits = [
    run(size)
    for name, run, size in (
        ("import", import_path.run, arguments.results),
        ("statistics", district_statistics.run, arguments.marks),
        ("obligations", obligations.run, arguments.grades),
        ("mails", mails.run, arguments.mails),
    )
    if name in wanted
]
sys.exit(0 if all(within_limits) else 1)
