"""`make bench`: a grade's whole path (see `full_path`), then the import of a school's pack (see `import_path`).

`make bench ARGS="--only import --results 1000000"` runs one of them, larger.
"""

import argparse
import sys

from tests.bench import full_path, import_path

parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
parser.add_argument("--only", choices=("path", "import"), help="one of the benchmarks; otherwise both")
parser.add_argument("--grades", type=int, default=full_path.GRADES, help="final grades on the whole path")
parser.add_argument("--students", type=int, default=full_path.STUDENTS, help="students of the district they are of")
parser.add_argument("--results", type=int, default=import_path.RESULTS, help="results in the OneRoster pack")
arguments = parser.parse_args()
if arguments.only != "import":
    full_path.run(arguments.grades, arguments.students)
if arguments.only != "path" and not import_path.run(arguments.results):
    sys.exit(1)
