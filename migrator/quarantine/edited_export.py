"""Reads an export of quarantined rows that the owners edited, and returns what they decided.

A changed cell is a value to read instead.  The columns ``decision`` and ``why`` take ``keep``, ``drop`` or, for a row that was
added, ``make``, and the reason.  Each row is found by the digest of its content: one that has changed since the export is an
error, since its old cells would look like decisions.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from migrator.config import values
from migrator.errors import UsageError
from migrator.mapping import reader as mapping_reader
from migrator.quarantine import export, toml_cells
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.decisions import Decisions, Kind, RowDecision, row_name
from migrator.schema import catalogue
from migrator.system import user_files

#: How a column of a legacy row begins in CSV.
_LEGACY = "legacy "
_WORDS = tuple(kind for kind in Kind if kind is not Kind.SET)
#: What stands for NULL in an edited cell, and how bytes are written there.
_NULL, _OCTETS = "NULL", re.compile(r"x'((?:[0-9a-fA-F]{2})*)'")
#: A number whose digits can be compared; the exponents are those of doubles.
_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?\s*")
#: Digits of a number that a spreadsheet keeps.
_KEPT = 15
#: Types of columns that hold numbers, by a part of their names (sqlite.org/datatype3.html, section 3.1).
_NUMBERS = ("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC")


class _Entry(NamedTuple):
    """A row of the file: what is about it, its cells, and where it is."""

    about: Mapping[str, str]
    cells: Mapping[str, Any]
    where: str


def read(path: Path, rows: Sequence[QuarantinedRow]) -> Decisions:
    """Return the decisions in the edited export at *path*; *rows* are the quarantined rows.

    Raises:
        UsageError: The file is no export, a row has changed since, or a decision cannot be read.
    """
    text = user_files.text(path).removeprefix("\ufeff")
    reader = {".csv": _from_csv, ".json": _from_json}.get(path.suffix.lower())
    if reader is None:
        raise UsageError("is not an export that can be read", where=path, hint="edit FILE.csv or FILE.json")
    by_content = {row.content: row for row in rows}
    decided = [decision for entry in reader(text, path) for decision in _of_entry(path, entry, by_content)]
    return Decisions(rows=tuple(_together([*_of_nameless(path, decided, rows), *filter(_names_rows, decided)])))


def _names_rows(decision: RowDecision) -> bool:
    return decision.keys != (None,)


def _of_entry(path: Path, entry: _Entry, by_content: Mapping[str, QuarantinedRow]) -> Iterator[RowDecision]:
    """Yield the decisions on the row of *entry*."""
    word, why = entry.about.get("decision", "").strip().lower(), entry.about.get("why", "").strip()
    if word not in ("", *_WORDS):
        near = values.near(word, _WORDS)
        raise _wrong(path, entry, f"decision: expected {', '.join(_WORDS)} or nothing; found {word!r}{near}")
    if word == Kind.MAKE:
        yield _made(path, entry, why)
        return
    row = by_content.get(entry.about.get("content", ""))
    if row is None:
        raise _wrong(path, entry, "expected a row as it is in quarantine now; found another content")
    cells = dict(_changed(path, entry, row))
    if word == Kind.DROP and (cells or not why):
        raise _wrong(path, entry, "drop: expected a reason in why, and no changed cell")
    if row.key is None and (cells or word == Kind.KEEP):
        raise _wrong(path, entry, "no key names the row: expected drop, or no decision")
    if word and not (word == Kind.DROP and row.key is not None and why == row.dropped):
        # As with an acceptance, the row may change only while no money is at stake in it.
        pinned = row.key is not None and (word == Kind.KEEP or row.money)
        was = MappingProxyType(dict(row.cells)) if pinned else MappingProxyType({})
        yield RowDecision(source=row.source, keys=(toml_cells.key_of(row),), kind=Kind(word), was=was, why=why)
    if cells:
        now = MappingProxyType({column: cell for column, (_, cell) in cells.items()})
        was = MappingProxyType({column: cell for column, (cell, _) in cells.items()})
        yield RowDecision(source=row.source, keys=(toml_cells.key_of(row),), kind=Kind.SET, cells=now, was=was, why=why)


def _of_nameless(path: Path, decided: Sequence[RowDecision], rows: Sequence[QuarantinedRow]) -> Iterator[RowDecision]:
    """Yield one decision for the rows of each legacy table that no key names: it is about all of them.

    Raises:
        UsageError: Only some are dropped, or for several reasons.
    """
    alike = Counter(row.source for row in rows if row.key is None)
    former = {(row.source, row.dropped) for row in rows if row.key is None}
    counts = Counter((decision.source, decision.why) for decision in decided if not _names_rows(decision))
    for (source, why), count in counts.items():
        if count != alike[source]:
            expected = f"drop, for one reason, of all {alike[source]:,} rows of {source} that no key names"
            raise UsageError(f"expected {expected}; found {count:,}", where=path)
        if (source, why) not in former:
            yield RowDecision(source=source, keys=(None,), kind=Kind.DROP, why=why)


def _together(decisions: Sequence[RowDecision]) -> Iterator[RowDecision]:
    """Yield *decisions*, those that differ in the key alone as one."""
    by_content: dict[str, list[RowDecision]] = {}
    for decision in decisions:
        own = [decision.source, decision.kind, dict(decision.cells), dict(decision.was), decision.why]
        alone = decision.keys if decision.kind is Kind.MAKE else ()
        by_content.setdefault(json.dumps([own, alone], sort_keys=True), []).append(decision)
    for first, *others in by_content.values():
        keys = (*first.keys, *(key for other in others for key in other.keys))
        yield RowDecision(
            source=first.source, keys=keys, kind=first.kind, cells=first.cells, was=first.was, why=first.why
        )


def _made(path: Path, entry: _Entry, why: str) -> RowDecision:
    source, key = entry.about.get("source", ""), entry.about.get("legacy_key", "")
    mapping = next((one for one in mapping_reader.mappings() if one.source == source), None)
    if mapping is None or not key:
        raise _wrong(path, entry, "make: expected source, a mapped table, and legacy_key")
    numbers = _numbers(source)
    cells = {
        column: _typed(cell, numbers=column in numbers)
        for column, cell in entry.cells.items()
        if column != mapping.key and cell not in ("", None)
    }
    return RowDecision(
        source=source,
        keys=(_typed(key, numbers=mapping.key in numbers),),
        kind=Kind.MAKE,
        cells=MappingProxyType(cells),
        why=why,
    )


def _changed(path: Path, entry: _Entry, row: QuarantinedRow) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each column with a changed cell: the cell as it is, and the new one."""
    numbers = _numbers(row.source)
    for column, new in entry.cells.items():
        if column not in row.cells:
            if new not in ("", None):
                raise _wrong(path, entry, f"{column}: {row.source} has no such column")
            continue
        was = row.cells[column]
        if path.suffix.lower() == ".json":
            same = row_name("", new) == row_name("", was)
            text = str(new) if isinstance(new, int | float) and not isinstance(new, bool) else ""
        else:
            same, text = _lines_of(new) == _lines_of(export.in_csv(row, column)), new
        if same or _spelled_anew(was, text):
            continue
        if _rounded(was, text):
            value = toml_cells.cell(text if isinstance(was, str) else _number(text))
            by_hand = f"set = {{ {column} = {value} }}, was = {{ {column} = {toml_cells.cell(was)} }}"
            raise _wrong(
                path,
                entry,
                f"{column}: expected {was!r}, or another value; a spreadsheet made it {text!r}; to decide that write to the"
                f" configuration: {by_hand}",
            )
        if isinstance(was, int | float) and isinstance(new, str) and _is_no_number(new):
            raise _wrong(path, entry, f"{column}: expected a number such as {was!r}, or NULL; found {new!r}")
        yield column, (was, _typed(new, numbers=column in numbers))


def _lines_of(text: str) -> list[str]:
    return text.splitlines()


def _spelled_anew(was: Any, text: str) -> bool:
    """Return whether *text* is the number *was*: in another spelling, or with the digits that a spreadsheet keeps."""
    new = _decimal(text)
    if new is None or not isinstance(was, int | float) or isinstance(was, bool):
        return False
    return _number(text) == was or (
        len(new.normalize().as_tuple().digits) <= _KEPT and new == _decimal(f"{was:.{_KEPT}g}")
    )


def _rounded(was: Any, text: str) -> bool:
    """Return whether *text* may be the number *was*, or a text of digits, as a spreadsheet showed it: with fewer digits."""
    new, former = _decimal(text), _decimal(was if isinstance(was, str) else repr(was))
    if new is None or former is None:
        return False
    exponent = new.as_tuple().exponent
    # JSON has no digits to lose, but a program that keeps numbers as doubles writes another integer.
    return abs(new - former) * 2 <= Decimal(1).scaleb(int(exponent)) or float(new) == float(former)


def _is_no_number(text: str) -> bool:
    """Return whether *text* is empty, or a number as a spreadsheet writes it in some country."""
    return not text or (_number(text) is None and _number(re.sub(r"[,.'\s]", "", text)) is not None)


def _decimal(text: str) -> Decimal | None:
    """Return the number that *text* is, with all its digits."""
    if not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)


def _typed(new: Any, *, numbers: bool) -> Any:
    """Return the cell that an edited text stands for; *numbers* is whether its column holds numbers."""
    if not isinstance(new, str):
        return new
    if new == _NULL:
        return None
    if match := _OCTETS.fullmatch(new):
        return {"b": match[1].lower()}
    number = _number(new) if numbers else None
    return number if number is not None else export.without_apostrophe(new)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def _numbers(source: str) -> set[str]:
    """Return the columns of a legacy table that hold numbers."""
    database, _, table = source.partition(".")
    shapes = [shape for shape in catalogue.shapes_of(database) if shape.table == table]
    numeric = {
        name for shape in shapes for name, declared in shape.columns if any(part in declared for part in _NUMBERS)
    }
    return {name for shape in shapes for name in shape.names if name.lower() in numeric}


def _from_csv(text: str, path: Path) -> Iterator[_Entry]:
    # A spreadsheet writes what separates columns in its country.
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    columns = reader.fieldnames or ()
    _need(path, columns)
    try:
        for line in reader:
            if None in line or None in line.values():
                raise UsageError(
                    f"line {reader.line_num}: expected {len(columns)} cells; the line has another number of them",
                    where=path,
                    hint="export the rows again",
                )
            about = {name: line[name] for name in export.ABOUT if name in columns}
            cells = {name.removeprefix(_LEGACY): line[name] for name in columns if name and name.startswith(_LEGACY)}
            yield _Entry(about, cells, f"line {reader.line_num}")
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num}: {error}", where=path) from error


def _from_json(text: str, path: Path) -> Iterator[_Entry]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read as JSON ({error})", where=path) from error
    for number, entry in enumerate(entries if isinstance(entries, list) else [None], start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("row"), dict):
            raise UsageError(f"entry {number}: expected an object with the member row", where=path)
        about = {name: str(entry[name] or "") for name in export.ABOUT if name in entry}
        if entry.get("decision") != Kind.MAKE:
            _need(path, about)
        yield _Entry(about, entry["row"], f"entry {number}")


def _need(path: Path, names: Sequence[str] | Mapping[str, str]) -> None:
    lacking = [name for name in ("source", "legacy_key", "content", "decision", "why") if name not in names]
    if lacking:
        raise UsageError(
            f"expected the columns of an export; {', '.join(lacking)} missing",
            where=path,
            hint="run: migrator quarantine export FILE.csv",
        )


def _wrong(path: Path, entry: _Entry, what: str) -> UsageError:
    row = " ".join(filter(None, (entry.about.get("source"), entry.about.get("legacy_key"))))
    return UsageError(
        f"{entry.where}: {row}: {what}",
        where=path,
        hint="correct it there, or export the rows again",
        logged=f"{path}: {entry.where}",
    )
