"""`python -m bench NAME [--quick] [--json]`, which `scripts/bench` calls."""

import argparse
import sys
from collections.abc import Callable

from bench import walk
from bench.figures import Bench

BENCHES: dict[str, Callable[[str], Bench]] = {"walk": walk.measured}


def main() -> None:
    """Measure one bench; exit 1 when a ratio is below its floor."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Ours beside a peer.")
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--quick", action="store_true", help="small; shows that the bench works")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    words = parser.parse_args()
    bench = BENCHES[words.name]("quick" if words.quick else "full")
    print(bench.as_json() if words.json else bench.as_table())
    sys.exit(1 if bench.missed() else 0)


if __name__ == "__main__":
    main()
