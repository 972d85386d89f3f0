"""Plans of mirrors as files: written at the cutover, so that a process of the application parses no mappings and no DDL."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from migrator.application.compat.plan import Plan
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.system import connections, durable_files
from migrator.system.serialize import plain

#: Folders of this package from whose files a plan is compiled.
_SOURCES = ("mapping/sql", "schema/specification", "schema/amendments", "application/compat")


@dataclass(frozen=True, slots=True)
class _Written:
    """The content of the file of a plan.

    Attributes:
        key: What the plan is known by.
        plan: The plan, as JSON: it is read only where the key is the expected one.
    """

    key: str
    plan: msgspec.Raw


def load(switch: Switch, target: str) -> Plan | None:
    """Return the plan of *target* that was written for *switch* by this version; None if there is none."""
    try:
        with connections.open_source(_path(switch, target)) as file:
            written = msgspec.json.decode(file.read(), type=_Written)
        if written.key != _key(switch, target):
            return None
        return msgspec.json.decode(written.plan, type=Plan)
    except (OSError, msgspec.MsgspecError):
        # It is compiled again: the file only saves time.
        return None


def save(switch: Switch, plan: Plan) -> None:
    """Write *plan*, readable for every user of the legacy databases of *switch*."""
    path = _path(switch, plan.target)
    if not path.parent.is_dir():
        durable_files.make_private_folder(path.parent)
    durable_files.let_pass(path.parent, switch.data_dir)
    text = json.dumps({"key": _key(switch, plan.target), "plan": plain(plan)})
    durable_files.write(path, text, switch_state.shared(switch, 0o644))


def remove(switch: Switch) -> None:
    """Remove the plans of *switch*.

    Raises:
        OSError: One cannot be removed.
    """
    durable_files.remove_folder(switch.root / "compat")


def _path(switch: Switch, target: str) -> Path:
    return switch.root / "compat" / f"{target}.json"


def _key(switch: Switch, target: str) -> str:
    """Return what a plan is known by: everything that it is compiled from."""
    made_of = {
        "target": target,
        "run": switch.run,
        "names": [(name.database, str(name.place), name.digest) for name in switch.names],
        "tables": plain(switch.tables),
        "amendments": switch.amendments,
        "decided": plain(switch.decided),
        "constants": plain(switch.constants),
        "package": package_digest(),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


@cache
def package_digest() -> str:
    """Return a digest of the files of the package from which a plan is compiled."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for source in _SOURCES:
        for path in sorted((package / source).rglob("*")):
            if path.suffix in (".sql", ".py"):
                digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
