"""The de-identification engine: facts of an instance, and its version for the partner as splices.

Pure: received bytes and a plan in, splices out. The leak guard beside it shares no code with it.
"""

from appliance.deid.dates import DUMMIES as _DATES
from appliance.deid.engine import Outcome, Plan, apply
from appliance.deid.facts import Facts, Identity, scan
from appliance.deid.splices import Keep, Splice, assemble, length, pack, unpack
from appliance.deid.tables import EDITION

# What we write in the place of dates: a patient may be born on that day.
DUMMIES = tuple(value.decode() for value in _DATES.values())

__all__ = [
    "DUMMIES",
    "EDITION",
    "Facts",
    "Identity",
    "Keep",
    "Outcome",
    "Plan",
    "Splice",
    "apply",
    "assemble",
    "length",
    "pack",
    "scan",
    "unpack",
]
