"""Records as people read them."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.records import Database, Inventory, Verdict, escaped

__all__ = ["escaped", "inventory_table"]

_STYLES = {
    Verdict.SOURCE: "green",
    Verdict.STANDALONE: "cyan",
    Verdict.UNKNOWN: "yellow",
    Verdict.EMPTY: "red",
    Verdict.UNREADABLE: "red",
    Verdict.OURS: "dim",
}


def inventory_table(inventory: Inventory) -> RenderableType:
    """Return one line per database, then the findings."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("database", overflow="fold", min_width=24)
    table.add_column("verdict", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("journal", no_wrap=True)
    table.add_column("note", overflow="fold", ratio=1)
    for database in inventory.databases:
        table.add_row(
            Text(escaped(database.place)),
            Text(database.verdict, style=_STYLES[database.verdict]),
            Text(", ".join(database.variants)),
            "" if database.rows is None else f"{database.rows:,}",
            "" if database.size_bytes is None else _size(database.size_bytes),
            Text(_journal(database)),
            Text(_note(database)),
        )
    lines: list[RenderableType] = [table, Text(), Text(_summary(inventory))]
    lines += [Text(f"- {finding}") for finding in inventory.findings]
    return Group(*lines)


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
