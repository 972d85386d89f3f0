"""The configuration that the owners write: constants, fates of files, decisions."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from migrator.config import extra_indexes as config_extra_indexes
from migrator.config import waivers as config_waivers
from migrator.config.extra_indexes import ExtraIndex
from migrator.config.waivers import Waiver
from migrator.errors import UsageError
from migrator.records.inventory import Database
from migrator.system import paths, user_files

#: Time limit of a hook [s], unless the configuration sets one.
HOOK_TIMEOUT_S = 300

_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
_FATE = re.compile(r"carry:(core|analytics|cache)|standalone|ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The decisions of the owners.

    Attributes:
        constants: ``wallet_address`` and ``local_utc_offset`` (``-06:00``); each is demanded only when a row needs it.
        files: Path in a snapshot, of a file or of a folder for all files in it -> fate: ``carry:core``, ``carry:analytics``,
            ``carry:cache``, ``standalone`` or ``ignore``.
        accept_quarantine: Number of quarantined rows, over the three, that cutover accepts.
        order_amount_sol: ``position`` to take an order's amount in SOL from its position; '' to quarantine it.
        absent: Tables that may be missing from a file that is there.
        left_behind: Virtual tables that stay in the backup, with the rows that they keep.
        extra_indexes: Indexes beyond the specification, which the owners order.
        code_is_ready: Whether the application's code knows the new tables.
        file_mode: Upper limit of the permissions of the three, such as 0o640; None to follow the sources.
        waivers: Contracts that may be broken for a while.
        hooks: The folder of the hooks; None for none.
        hooks_timeout_s: Time limit of a hook.
    """

    constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    accept_quarantine: int = 0
    order_amount_sol: str = ""
    absent: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    extra_indexes: tuple[ExtraIndex, ...] = ()
    code_is_ready: bool = False
    file_mode: int | None = None
    waivers: tuple[Waiver, ...] = ()
    hooks: Path | None = None
    hooks_timeout_s: int = HOOK_TIMEOUT_S

    def digest(self) -> str:
        """Return the SHA-256, in hex, of every decision that a verdict depends on.

        Decisions that only cutover reads are left out: to accept quarantined rows must not make the evidence stale.
        """
        decided = {
            "constants": dict(self.constants),
            "files": dict(self.files),
            "order_amount_sol": self.order_amount_sol,
            "absent": self.absent,
            "left_behind": self.left_behind,
            "extra_indexes": [index.statement for index in self.extra_indexes],
            "waivers": [
                [waiver.name, waiver.reason, waiver.owner, waiver.expires.isoformat()] for waiver in self.waivers
            ],
        }
        return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()

    def fate(self, database: Database) -> str:
        """Return what the owners decided about the file of *database*, '' for nothing."""
        return fate_at(self.files, database.path_in_snapshot)


def fate_at(files: Mapping[str, str], path: PurePosixPath) -> str:
    """Return the fate that *files* gives *path*, else that of the nearest folder above it; '' for none."""
    fates = {PurePosixPath(name): fate for name, fate in files.items()}
    return next((fates[above] for above in (path, *folders(path)) if above in fates), "")


def folders(path: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """Return the folders below the data directory that hold the file *path*, the nearest first."""
    return tuple(path.parents)[:-1]


def beside(legacy: Path) -> Path | None:
    """Return the path of the configuration of *legacy*, a data directory or a snapshot of one; None without one."""
    # A snapshot lies in backup/<run> of its data directory.
    whole = paths.resolved(legacy)
    homes = (whole, whole.parent.parent) if whole.parent.name == "backup" else (whole,)
    # load() reports one that cannot be read.
    return next((path for home in homes if os.path.lexists(path := home / "migrator.toml")), None)


def load(path: Path | None) -> Config:
    """Return the configuration at *path*, or the default where it is None.

    Raises:
        UsageError: It cannot be read, or holds an unknown key or an invalid value.
    """
    if path is None:
        return Config()
    try:
        written = tomllib.loads(user_files.text(path))
    except (ValueError, RecursionError) as error:
        # Numbers with thousands of digits and deep nesting raise other errors than the parser's own.
        raise UsageError(f"cannot be read ({error})", where=path, hint="correct the configuration there") from error
    sections = _taken(
        written, {"constants": dict, "files": dict, "decisions": dict, "waivers": list, "hooks": dict}, "", path
    )
    constants = _taken(
        sections.get("constants", {}), {"wallet_address": str, "local_utc_offset": str}, "constants.", path
    )
    decisions = _taken(
        _listed(sections.get("decisions", {})),
        {
            "accept_quarantine": int,
            "order_amount_sol": str,
            "absent": list,
            "left_behind": list,
            "extra_indexes": list,
            "code_is_ready": bool,
            "file_mode": str,
        },
        "decisions.",
        path,
    )
    hooks = _taken(sections.get("hooks", {}), {"folder": str, "timeout": int}, "hooks.", path)
    fates = sections.get("files", {})
    for name, fate in fates.items():
        if not isinstance(fate, str) or not _FATE.fullmatch(fate):
            raise UsageError(
                f"[files] {name!r}: unknown fate {fate!r}", where=path, hint="write carry:core, carry:analytics, "
                "carry:cache, standalone or ignore",
            )  # fmt: skip
    if not _OFFSET.fullmatch(constants.get("local_utc_offset", "+00:00")):
        raise UsageError("constants.local_utc_offset must be an offset such as -06:00", where=path)
    if not re.fullmatch(r"[!-~]+", constants.get("wallet_address", "x")):
        raise UsageError("constants.wallet_address must be an address: letters and digits, at least one", where=path)
    if decisions.get("accept_quarantine", 0) < 0:
        raise UsageError("decisions.accept_quarantine must be a number of rows, 0 at least", where=path)
    if hooks.get("timeout", HOOK_TIMEOUT_S) < 1:
        raise UsageError("hooks.timeout must be a number of seconds, 1 at least", where=path)
    if decisions.get("order_amount_sol", "position") != "position":
        raise UsageError("decisions.order_amount_sol must be 'position', or be left out", where=path)
    return Config(
        constants=MappingProxyType(constants),
        files=MappingProxyType(dict(fates)),
        accept_quarantine=decisions.get("accept_quarantine", 0),
        order_amount_sol=decisions.get("order_amount_sol", ""),
        absent=_texts(decisions.get("absent", []), "decisions.absent", path),
        left_behind=_texts(decisions.get("left_behind", []), "decisions.left_behind", path),
        extra_indexes=config_extra_indexes.read(
            _texts(decisions.get("extra_indexes", []), "decisions.extra_indexes", path), path
        ),
        code_is_ready=decisions.get("code_is_ready", False),
        file_mode=_mode(decisions["file_mode"], path) if "file_mode" in decisions else None,
        waivers=config_waivers.taken(sections.get("waivers", []), path),
        hooks=paths.resolved(path.parent) / hooks["folder"] if "folder" in hooks else None,
        hooks_timeout_s=hooks.get("timeout", HOOK_TIMEOUT_S),
    )


def _listed(decisions: dict[str, Any]) -> dict[str, Any]:
    """Return *decisions* with ``extra_indexes`` as a list: one word may be written without."""
    word = decisions.get("extra_indexes")
    return decisions | {"extra_indexes": [word]} if isinstance(word, str) else decisions


def _taken(written: Mapping[str, Any], known: Mapping[str, type], prefix: str, path: Path) -> dict[str, Any]:
    for name, value in written.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
            raise UsageError(f"unknown key {prefix}{name}", where=path, hint=hint)
        # Not isinstance: a bool is an int in Python.
        if type(value) is not known[name]:
            raise UsageError(f"{prefix}{name} has to be of type {known[name].__name__}", where=path)
    return dict(written)


def _mode(written: str, path: Path) -> int:
    if not re.fullmatch("0?6[0246][0246]", written):
        raise UsageError(f'decisions.file_mode is {written!r}; write a mode such as "0660"', where=path)
    return int(written, 8)


def _texts(values: list[Any], name: str, path: Path) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise UsageError(f"{name} has to be a list of texts", where=path)
    return tuple(values)
