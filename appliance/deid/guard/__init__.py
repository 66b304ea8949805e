"""The leak guard: a second, independent look at the finished bytes before anything leaves.

It has its own tokenizer, its own needles and its own idea of what must be there; it shares no code
with the rules, so that one mistake cannot pass both (deid.md 11).
"""

from appliance.deid.guard.control import control
from appliance.deid.guard.needles import Needles, needles
from appliance.deid.guard.search import Hit, search
from appliance.deid.guard.verify import Expected, verify

__all__ = ["Expected", "Hit", "Needles", "control", "needles", "search", "verify"]
