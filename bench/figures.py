"""The shape in which every bench answers, as one JSON object or as a table for a person."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measure: the median of `runs`; a larger `ratio` is better for us."""

    measure: str
    ours: float
    peer: float
    unit: str
    ratio: float
    at_least: float | None
    aim: float | None
    runs: int


@dataclass(frozen=True)
class Bench:
    """All rows of one bench and what they were measured on."""

    bench: str
    machine: str
    versions: Mapping[str, str]
    rows: tuple[Row, ...]

    def as_json(self) -> str:
        """The contract of `scripts/bench --json`."""
        return json.dumps(asdict(self))

    def as_table(self) -> str:
        """One line per row, the peer's versions below."""
        lines = [f"{'measure':<52}{'ours':>10}{'peer':>10}  {'unit':<8}{'ratio':>7}  runs"]
        lines += [
            f"{row.measure:<52}{row.ours:>10.2f}{row.peer:>10.2f}  {row.unit:<8}{row.ratio:>7.2f}  {row.runs}"
            for row in self.rows
        ]
        named = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return "\n".join([*lines, f"{self.machine}; {named}"])

    def missed(self) -> bool:
        """Whether a ratio is below its floor."""
        return any(row.at_least is not None and row.ratio < row.at_least for row in self.rows)


def less_is_better(measure: str, unit: str, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """A row of times or sizes."""
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return Row(measure, mine, theirs, unit, theirs / mine, None, None, min(len(ours), len(peer)))


def more_is_better(measure: str, unit: str, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """A row of rates."""
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return Row(measure, mine, theirs, unit, mine / theirs, None, None, min(len(ours), len(peer)))


def machine() -> str:
    """Processor, cores and system, as far as the system tells."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{len(names)} × {names[0] if names else platform.machine()}, {platform.platform()}"


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of the named packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
