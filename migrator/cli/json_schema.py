"""The JSON Schema of what each verb prints with ``--json``, derived from its record; the files are in ``schemas``.

``migrator/cli/schemas/<verb>.json``, with hyphens for the spaces of a verb, is part of the package: read it with
``importlib.resources.files("migrator.cli") / "schemas"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from migrator.application.census.findings import Census
from migrator.application.replay.comparison import Replay
from migrator.cli import envelope
from migrator.mapping.explained import Explained
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.fleet import Fleet
from migrator.records.inventory import Inventory
from migrator.records.monitor import Watched
from migrator.records.plan import Plan
from migrator.records.programs import ExportedSet, Startup
from migrator.records.proposal import Proposal
from migrator.records.quarantine import Accepting, Deciding, Explanation, Exported, Quarantine, Resolved
from migrator.records.rehearsal import Rehearsed
from migrator.records.retention import Pruned
from migrator.records.status import Status
from migrator.records.switch import Switched
from migrator.records.verify import Migrated, Verified, VerifiedInUse
from migrator.reports.page import Report

#: Verb -> the records that it prints, one of them each time.  The specimens are the contracts'.
RECORDS: Mapping[str, tuple[type, ...]] = {
    "inventory": (Inventory,),
    "init": (Proposal,),
    "plan": (Plan,),
    "backup": (Snapshot,),
    "build": (Built,),
    "verify": (Verified, VerifiedInUse),
    "migrate": (Migrated,),
    "explain": (Explained,),
    "census": (Census,),
    "replay": (Replay,),
    "quarantine list": (Quarantine,),
    "quarantine explain": (Explanation,),
    "quarantine export": (Exported,),
    "quarantine decide": (Deciding,),
    "quarantine accept": (Accepting,),
    "quarantine resolve": (Resolved,),
    "compat install": (Startup,),
    "compat uninstall": (Startup,),
    "compat export": (ExportedSet,),
    "cutover": (Switched,),
    "monitor": (Watched,),
    "rollback": (Switched,),
    "restore": (Switched,),
    "prune": (Pruned,),
    "status": (Status,),
    "rehearse": (Rehearsed,),
    "report": (Report,),
    "fleet": (Fleet,),
}


def schema(verb: str, records: tuple[type, ...]) -> dict[str, Any]:
    """Return the JSON Schema of the object of *verb*, whose result is one of *records*, or null."""
    references, components = msgspec.json.schema_components(records, schema_hook=_other, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"migrator {verb} --json",
        "type": "object",
        "properties": {
            "verb": {"const": verb},
            "schema": {"const": envelope.SCHEMA},
            "verdict": {"enum": list(envelope.VERDICTS.values())},
            "refusals": {"type": "array", "items": {"type": "string"}},
            "result": {"anyOf": [*references, {"type": "null"}]},
        },
        "required": ["verb", "schema", "verdict", "refusals", "result"],
        "$defs": {name: _whole(component) for name, component in sorted(components.items())},
    }


def file_name(verb: str) -> str:
    """Return the name of the file with the schema of *verb*."""
    return f"{verb.replace(' ', '-')}.json"


def _other(kind: type) -> dict[str, Any]:
    """Return the schema of a type that JSON does not have: a path is text."""
    if issubclass(kind, PurePath):
        return {"type": "string"}
    # msgspec asks for this error where a hook does not know the type.
    raise NotImplementedError(kind)


def _whole(component: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a record without defaults: each member is printed, also one that has its default."""
    if "properties" not in component:
        return component
    properties = {
        name: {key: value for key, value in member.items() if key != "default"}
        for name, member in component["properties"].items()
    }
    described = {key: value for key, value in component.items() if key != "description"}
    return described | {"properties": properties, "required": list(properties)}
