"""`python -m tests.week`: the table of an ordinary week, as `docs/week.md` shows it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.week.hospital import hospital
from tests.week.table import sums, table

with TemporaryDirectory() as folder, hospital(Path(folder)) as one:
    one.live()
    print(table(one))
    print()
    print(sums(one))
