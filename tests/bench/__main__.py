"""`make bench`: see `full_path`."""

from tests.bench.full_path import main

main()
