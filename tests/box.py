"""A whole appliance in one process, on a clock that a test moves: real files, real neighbours.

The vault answers on its real socket, from a thread; partner and clinic are spoken to over loopback.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from appliance.profile import Profile, parse

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "examples" / "demo.yaml"


def profile(**changes: object) -> Profile:
    """The loopback example, with some top-level sections replaced."""
    return parse(yaml.safe_dump(yaml.safe_load(DEMO.read_text()) | changes))
