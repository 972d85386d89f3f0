"""Reads quarantined rows from copies of the target databases, and tells whether money is at stake in one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.mapping import sql_functions
from migrator.system import connections
from migrator.system.escaping import escaped

#: Digits of the digest that names a row without a key: two of a hundred such rows share them once in a million sets.
_SHORT = 8
#: Legacy states of a position that is over, and how those that name a reason begin.
_OVER = frozenset({"closed", "failed"})
_OVER_BEGINS = "closed_"
#: Legacy states of an order that can do nothing any more.
_DONE = frozenset({"completed", "filled", "failed", "cancelled", "canceled", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """One row of the table ``quarantine``.

    Attributes:
        source: Its legacy table with its database.
        key: Its legacy key; None where no key names it.
        target: The target table that refuses it, with its database.
        broken: The constraint that it breaks.
        cells: Column -> cell as the quarantine keeps it: a JSON value, or ``{"b": hex}`` and ``{"t": hex}``.
        dropped: The owners' reason to leave it in quarantine, if they decided that; else ''.
        has_was: Whether that decision names cells of the row, so that it is about the row as it is now.
    """

    source: str
    key: str | bytes | int | float | None
    target: str
    broken: str
    cells: Mapping[str, Any]
    dropped: str = ""
    has_was: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the owners decided that it stays, so that it needs no acceptance.

        Money at stake is accepted only by a decision about the row as it is now: by its key alone, a position that was closed
        and is open again would stay out too.
        """
        return bool(self.dropped) and (self.has_was or not self.money)

    @property
    def name(self) -> str:
        """The key as text; '' for a row that no key names."""
        if self.key is None:
            return ""
        text = self.key.hex() if isinstance(self.key, bytes) else str(self.key)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

    @property
    def content(self) -> str:
        """The SHA-256, in hex, of the whole row: legacy table, column names, and cells with their storage classes."""
        whole = json.dumps([self.source, dict(self.cells)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(whole.encode("ascii")).hexdigest()

    @property
    def handle(self) -> str:
        """How an owner names the row in its legacy table: its key, or ``#1f0c33a2``, from the content of a row without a key.

        Rows without a key and with equal cells have one handle.
        """
        return self.name or self.digest_handle

    @property
    def digest_handle(self) -> str:
        """The handle from the content, ``#1f0c33a2``: it tells rows apart whose keys have one text, such as 'ab' and x'ab'."""
        return f"#{self.content[:_SHORT]}"

    def is_meant(self, name: str) -> bool:
        """Return whether *name* is a handle, or legacy table and handle, ``jarvis.positions:9cad64e4``, as migrator prints it."""
        names = {name for handle in (self.handle, self.digest_handle) for name in (handle, f"{self.source}:{handle}")}
        return name in names or name in map(escaped, names)

    def value(self, column: str) -> str | bytes | int | float | None:
        """Return the cell in *column* in its storage class; None if the row has no such column."""
        return sql_functions.value_of(self.cells.get(column))

    @property
    def money(self) -> str:
        """What is at stake: ``open position``, ``active order``, ``unsold lot``; '' for nothing.

        A state that is not known to be over counts as open: a misspelt state is a reason for quarantine.
        """
        match self.target:
            case "core.positions":
                state = str(self.value("status")).lower()
                return "" if state in _OVER or state.startswith(_OVER_BEGINS) else "open position"
            case "core.treasury_orders":
                return "" if self._order_state() in _DONE else "active order"
            case "core.tax_lots":
                return "unsold lot" if self._is_unsold() else ""
        return ""

    @property
    def order(self) -> Mapping[str, Any] | None:
        """The order in the JSON of the cell ``order_json``; None if that is no text with a JSON object."""
        written = self.value("order_json")
        try:
            order = json.loads(written) if isinstance(written, str) else None
        except (ValueError, RecursionError):
            order = None
        return order if isinstance(order, dict) else None

    def _order_state(self) -> str:
        state = (self.order or {}).get("status") if "order_json" in self.cells else self.value("status")
        return str(state).lower()

    def _is_unsold(self) -> bool:
        if "remaining_quantity" not in self.cells:
            return self.value("disposal_date") is None
        remaining = self.value("remaining_quantity")
        return not isinstance(remaining, int | float) or remaining > 0


def read(copies: Mapping[str, Path]) -> Iterator[QuarantinedRow]:
    """Yield each quarantined row of the target databases *copies*, by source, constraint and key.

    Raises:
        sqlite3.Error: A copy cannot be read.
    """
    of_drop = (
        "FROM decisions AS d WHERE d.decision = 'drop' AND d.source = q.source"
        " AND d.legacy_key IS q.legacy_key AND typeof(d.legacy_key) = typeof(q.legacy_key)"
    )
    dropped = f"(SELECT min(d.why) {of_drop}), (SELECT min(d.cells <> '{{}}') {of_drop})"
    for target, path in copies.items():
        with closing(connections.read(path)) as connection:
            # A key may be any bytes.
            connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
            # A set of an older version has no table of decisions.
            decided = connection.execute("SELECT 1 FROM pragma_table_info('decisions')").fetchone() is not None
            question = (
                f"SELECT source, legacy_key, target, broken, row, {dropped if decided else 'NULL, NULL'} FROM quarantine AS q"
                " ORDER BY source, broken, legacy_key, row"
            )
            for source, key, table, broken, row, why, has_was in connection.execute(question):
                yield QuarantinedRow(
                    source=source,
                    key=key,
                    target=f"{target}.{table}",
                    broken=broken,
                    cells=json.loads(row),
                    dropped=why or "",
                    has_was=bool(has_was),
                )
