"""Records as people read them."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from migrator.records import Database, Inventory, Verdict, escaped

__all__ = ["escaped", "inventory_table"]

#: Longest place that is never folded where notes stand beside, and the room that notes need.
_PLACE_CHARACTERS, _NOTE_CHARACTERS = 32, 20
_STYLES = {
    Verdict.SOURCE: "green",
    Verdict.STANDALONE: "cyan",
    Verdict.UNKNOWN: "yellow",
    Verdict.EMPTY: "red",
    Verdict.UNREADABLE: "red",
    Verdict.OURS: "dim",
}


def inventory_table(inventory: Inventory) -> RenderableType:
    """Return one line per database, then the findings; notes have a column of their own where there is room."""
    return _InventoryTable(inventory)


class _InventoryTable:
    """The inventory in the width at hand; nothing is cut off."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inventory = self._inventory
        beneath = [f"{escaped(d.place)}: {_note(d)}" for d in inventory.databases if _note(d)]
        table = _databases(inventory, notes=False)
        if options.max_width - console.measure(table, options=options).maximum >= _NOTE_CHARACTERS:
            table, beneath = _databases(inventory, notes=True), []
        yield table
        yield Text()
        yield Text(_summary(inventory))
        for sentence in (*beneath, *inventory.findings):
            yield Text(f"- {sentence}")


def _databases(inventory: Inventory, *, notes: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    widest = max((len(escaped(database.place)) for database in inventory.databases), default=0)
    # With notes, these are what has to give way; without them, the places.
    table.add_column("database", overflow="fold", min_width=min(widest, _PLACE_CHARACTERS) if notes else None)
    for name in ("verdict", "shape"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "size"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("journal", no_wrap=True)
    if notes:
        table.add_column("note", overflow="fold")
    for database in inventory.databases:
        cells = [
            Text(escaped(database.place)),
            Text(database.verdict, style=_STYLES[database.verdict]),
            Text(", ".join(database.variants)),
            Text("" if database.rows is None else f"{database.rows:,}"),
            Text("" if database.size_bytes is None else _size(database.size_bytes)),
            Text(_journal(database)),
        ]
        table.add_row(*cells, *([Text(_note(database))] if notes else []))
    return table


def _summary(inventory: Inventory) -> str:
    counts = {verdict: len(inventory.with_verdict(verdict)) for verdict in Verdict}
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    rows = sum(database.rows or 0 for database in inventory.databases)
    return (
        f"{len(inventory.databases)} in {escaped(inventory.data_dir)}: {verdicts or 'nothing'}; {rows:,} rows;"
        f" {inventory.passed_over} other files"
    )


def _journal(database: Database) -> str:
    if database.wal_bytes:
        return f"{database.journal_mode} +{_size(database.wal_bytes)}"
    return "hot" if database.hot_journal else database.journal_mode


def _note(database: Database) -> str:
    if database.reason:
        return database.reason
    differing = sum(bool(table.differs) for table in database.tables)
    unexpected = sum(table.unexpected for table in database.tables)
    notes = [
        f"{differing} in another shape" if differing else "",
        f"{unexpected} not known" if unexpected else "",
        f"{len(database.missing)} missing" if database.missing else "",
    ]
    return f"tables: {', '.join(filter(None, notes))}" if any(notes) else ""


def _size(size_bytes: int) -> str:
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = size_bytes / 1024
    for unit in ("KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
