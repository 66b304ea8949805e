"""A command as a person types it, in this process, and what it may say."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from appliance.__main__ import main

PATIENT = "PAT-4711"


def run(*words: str | Path) -> Result:
    """A command in this process; whatever it raises but its exit code is a traceback to a person."""
    answer = CliRunner().invoke(main, [str(word) for word in words])
    raised = answer.exception
    assert raised is None or isinstance(raised, SystemExit), answer.exc_info
    assert PATIENT not in answer.output
    return answer


def one_object(answer: Result) -> dict[str, object]:
    told = json.loads(answer.stdout)
    assert isinstance(told, dict)
    return told
