"""The one JSON object that each verb prints with ``--json``: verb, schema, verdict, refusals, result.

The verdict is the exit code in a word.  Without a result, after a refusal or an error, the refusals say why.  The JSON Schema of
each verb's object is a file in ``schemas`` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from migrator.system import serialize

#: Version of the object; a new one when a field is removed or changes its meaning.
SCHEMA = 2
#: Exit code -> verdict.
VERDICTS = {
    0: "ok",
    1: "failed",
    2: "usage",
    3: "refused",
    4: "rolled-back",
    5: "rollback-failed",
    6: "undecided",
    7: "residue",
}


def text(verb: str, result: Any, *, code: int = 0, refusals: Sequence[str] = ()) -> str:
    """Return the object of *verb* with the plain *result*, or None with the *refusals* for which there is none."""
    members = {
        "verb": verb,
        "schema": SCHEMA,
        # A child that a signal ended has a negative code.
        "verdict": VERDICTS.get(code, "failed"),
        "refusals": serialize.plain(tuple(refusals)),
        "result": result,
    }
    return json.dumps(members, indent=2) + "\n"
