"""The records of where legacy tables and columns went: Explained, its tables, their columns and the target columns."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.mapping.examples import Example
from migrator.records.plan import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A target column that takes the values of a legacy column.

    Attributes:
        column: Consolidated database, table and column: ``core.positions.token_address``.
        declared: Its declaration.
        formula: The SQL that computes it; '' if the value is copied.
        changes: What happens to a value, in words; empty if it is copied.
        words: Legacy word -> target word, as pairs.
        allowed: The values that its CHECK admits; empty without one.
        members: The members of its JSON that take the value, such as ``$.tp_order_id``.
        refuses: The constraints for which a row can go to quarantine because of this column.
    """

    column: str
    declared: str
    formula: str = ""
    changes: tuple[str, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    allowed: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedColumn:
    """Where a legacy column went.

    Attributes:
        name: Its name.
        declared: Its declaration.
        becomes: The target columns that take its values.
        serves: Target columns that are computed with it beside its own.
        kept: Where its values lie if no target column holds them, such as ``lineage.rest``; '' otherwise.
        reading: A SELECT of its legacy values on the consolidated database; '' if only migrator can compute them.
        example: A value of a synthetic row, and what became of it by target column; None without one.
    """

    name: str
    declared: str
    becomes: tuple[Destination, ...] = ()
    serves: tuple[str, ...] = ()
    kept: str = ""
    reading: str = ""
    example: Example | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A statement of the bot, and the one that replaces it.

    Attributes:
        name: Its name in the workload.
        asked: How often the bot runs it, and when.
        columns: The legacy columns that it names.
        legacy: The statement for the legacy database.
        consolidated: The statement for the consolidated database.
        differs: Why the two results differ; '' if they are equal.
        costs: Why the second is slower; '' if it is not.
        index: The index that would repair this; '' without one.
    """

    name: str
    asked: str
    columns: tuple[str, ...]
    legacy: str
    consolidated: str
    differs: str
    costs: str
    index: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedTable:
    """Where a legacy table went.

    Attributes:
        source: Legacy database and table: ``jarvis.positions``.
        file: The legacy file, below the data directory.
        fate: What becomes of its rows.
        into: Consolidated database and table; '' for a table that stays where it is.
        into_file: The consolidated file; for a standalone table its own.
        keys: What becomes of the key of a row, in words.
        why: The decisions that the mapping applies.
        columns: Its columns, in declared order.
        quarantine: Every constraint for which a row can be quarantined, and a key that does not identify it.
        adds: Rows that migrator adds to other tables because of this table.
        lookups: Lookups that read it, and the target tables they serve.
        statements: The statements of the bot on it.
    """

    source: str
    file: str
    fate: Fate
    into: str
    into_file: str
    keys: str
    why: str
    columns: tuple[ExplainedColumn, ...]
    quarantine: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    statements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The answer about a name.

    Attributes:
        name: The table or column, with its database; of a database its name.
        tables: Its tables; of a column the one table, with this column and the statements that name it.
    """

    name: str
    tables: tuple[ExplainedTable, ...]
