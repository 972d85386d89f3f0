"""Reports the weaknesses of the specified design with evidence; repairs none.

A finding is derived from the declared schema.  Its evidence is SQLite's result on an empty database made from the
same DDL: query plans, with planted statistics if the finding depends on them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from migrator.config import extra_indexes
from migrator.mapping import reader as mapping_reader
from migrator.mapping import workload
from migrator.mapping.workload import Question
from migrator.schema import catalogue, declaration, specified, sql_header
from migrator.schema import reader as schema_reader
from migrator.schema.model import Check, Index, Schema, Table, VirtualTable
from migrator.system import connections, content_digest

#: Limits in the trader's own code [USD], which does not read the configuration table.
TRADER_LIMITS_USD = {"max_trade_usd": 100.0, "max_daily_usd": 500.0}

#: Providers that the legacy code writes and the specification does not list.
LEGACY_PROVIDERS = ("groq", "openrouter", "ollama")

#: The planted statistics: rows of a table, and distinct values of a column with few values.
STATISTICS_ROWS = 100_000
FEW_VALUES = 3

_NAMED = re.compile(r":([a-z_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A weakness of the specified design.

    Attributes:
        kind: Its kind, such as ``redundant index``.
        where: Database, table and object.
        says: One sentence: the weakness and its cost.
        asked: The SQL that shows it.
        evidence: SQLite's result, line by line.
        mend: The statement that would repair it; '' if one statement is not enough.
        recommends: The recommended indexes that answer it; '' without one.
    """

    kind: str
    where: str
    says: str
    asked: str
    evidence: tuple[str, ...]
    mend: str = ""
    recommends: str = ""


def design() -> tuple[Finding, ...]:
    """Return every finding on the specification's own schema, with evidence measured now."""
    findings: list[Finding] = []
    for target in catalogue.TARGETS:
        schema = schema_reader.target(target)
        with closing(connections.memory()) as connection:
            connection.executescript(catalogue.target_ddl(target))
            for finder in _FINDERS:
                findings += finder(target, schema, connection)
    return (*findings, *of_workload())


def of_workload() -> tuple[Finding, ...]:
    """Return a finding for each query that costs more than on the legacy file, with both plans."""
    findings = []
    for question in workload.questions():
        if question.slower:
            legacy, ours = plans(question)
            answering = [index.name for index in recommended() if question.name in index.answers]
            mends = f'[decisions] extra_indexes = ["{question.mends}"]' if question.mends else ""
            recommends = f'[decisions] extra_indexes = "{extra_indexes.RECOMMENDED}" makes {", ".join(answering)}'
            findings.append(
                Finding(
                    kind="slower than the legacy file",
                    where=f"{question.target}: {question.name}",
                    says=f"Asked {question.often} ({question.when}): {question.slower}.",
                    asked=question.sql,
                    evidence=(*(f"legacy file: {line}" for line in legacy), *(f"here: {line}" for line in ours)),
                    mend=mends,
                    recommends=recommends if answering else "",
                )
            )
    return tuple(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """A recommended index, as ``recommended_indexes.sql`` describes it.

    Attributes:
        name: Its name, with that of its database.
        answers: The names of the queries whose findings it answers.
        costs: Its size, and the steps of one more row.
        statement: Its CREATE INDEX.
    """

    name: str
    answers: tuple[str, ...]
    costs: str
    statement: str


def recommended() -> tuple[Recommended, ...]:
    """Return each recommended index with its header."""
    _, *blocks = catalogue.recommended_indexes().strip().split("\n\n")
    indexes = []
    for block in blocks:
        header, text = sql_header.read(f"{block}\n", {"answers": None, "costs": None}, "recommended_indexes.sql")
        (index,) = extra_indexes.read([text])
        indexes.append(
            Recommended(
                name=f"{index.target}.{index.name}",
                answers=tuple(header["answers"].split()),
                costs=header["costs"],
                statement=index.statement,
            )
        )
    return tuple(indexes)


def plans(question: Question, *, mended: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the plans of *question* on an empty legacy and an empty consolidated database."""
    database = next(
        known for known in catalogue.legacy_databases() if (known.name, known.variant) == (question.legacy, "found")
    )
    with closing(connections.memory()) as legacy, closing(connections.memory()) as ours:
        legacy.executescript(database.ddl)
        ours.executescript(catalogue.target_ddl(question.target) + catalogue.our_ddl())
        for table, made in declaration.of_tables(content_digest.layout(legacy).entries).items():
            if (carried := f"{extra_indexes.CARRIED}{question.legacy}_{table}") in question.target_tables:
                copy = declaration.renamed(made, table, carried)
                for statement in (copy.table, *(sql for _, sql in copy.indexes)):
                    ours.execute(statement)
        if mended:
            (index,) = extra_indexes.read([question.mends])
            ours.execute(index.stored)
        return _plan(legacy, question.legacy_sql), _plan(ours, question.sql)


def places(target: str, schema: Schema) -> tuple[tuple[str, str], ...]:
    """Return kind and place of each structural finding on *schema*, without evidence."""
    return tuple(
        sorted(
            [("redundant index", f"{target}.{index.name}") for index, _ in _redundant(schema)]
            + [("unindexed reference", f"{target}.{table.name}.{column}") for table, column in _unindexed(schema)]
            + [("misleading index", f"{target}.{few.name}") for few, _ in _misleading(schema)]
            + [("history made unique", f"{target}.{table.name}.{column}") for table, column in _history(schema)]
            + [("indexed by accident", f"{target}.{table.name}.timestamp") for table in _dated(schema)]
            + [("uniqueness lost", f"{target}.{table.name}") for table, _ in _repeatable(target, schema)]
            + [("values merged", f"{target}.{table.name}.{check.columns[0]}") for table, check in _merged(schema)]
        )
    )


def _redundant(schema: Schema) -> Iterator[tuple[Index, Index]]:
    for index in schema.indexes:
        for unique in schema.table(index.table).uniques:
            if index.columns == unique.columns[: len(index.columns)] and not index.unique and index.where is None:
                yield index, unique


def _redundant_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    for index, unique in _redundant(schema):
        column = index.columns[0].name
        asked = f"SELECT * FROM {index.table} WHERE {column} = ?"
        connection.execute("SAVEPOINT without")
        connection.execute(f"DROP INDEX {connections.quoted(index.name)}")
        evidence = _plan(connection, asked)
        connection.execute("ROLLBACK TO without")
        yield Finding(
            kind="redundant index",
            where=f"{target}.{index.name}",
            says=f"{unique.origin.upper()} already has an index on {index.table}({column}); this index is written with "
            "every row and never needed: without it the plan is the same.",
            asked=asked,
            evidence=evidence,
            mend=f"DROP INDEX {index.name};",
        )


def _unindexed(schema: Schema) -> Iterator[tuple[Table, str]]:
    for table in (table for table in schema.tables if table.foreign_keys):
        indexed = {index.columns[0].name for index in (*schema.indexes, *table.uniques) if index.table == table.name}
        indexed |= {column.name for column in table.columns if column.primary_key == 1}
        for key in table.foreign_keys:
            if key.columns[0] not in indexed:
                yield table, key.columns[0]


def _unindexed_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    for table, column in _unindexed(schema):
        asked = f"SELECT rowid FROM {table.name} WHERE {column} = ?"
        yield Finding(
            kind="unindexed reference",
            where=f"{target}.{table.name}.{column}",
            says=f"A reference without an index: deleting one parent row reads all of {table.name}.",
            asked=asked,
            evidence=_plan(connection, asked),
            mend=f"CREATE INDEX idx_{table.name}_{column} ON {table.name}({column});",
        )


def _misleading(schema: Schema) -> Iterator[tuple[Index, Index]]:
    """Yield each index on a column with few values, and an index on time of the same table."""
    for table in schema.tables:
        few_values = {name for check in table.checks for name in check.columns if " IN (" in check.expression}
        few_values |= {column.name for column in table.columns if column.name.startswith("is_")}
        own = [index for index in schema.indexes if index.table == table.name]
        newest = [index for index in own if index.columns[0].descending]
        yield from ((index, newest[0]) for index in own if newest and index.columns[0].name in few_values)


def _misleading_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    for few, newest in _misleading(schema):
        column, time = few.columns[0].name, newest.columns[0].name
        asked = f"SELECT * FROM {few.table} WHERE {column} = ? ORDER BY {time} DESC LIMIT 50"
        before = _plan(connection, asked)
        with closing(connections.memory()) as analysed:
            analysed.executescript(catalogue.target_ddl(target))
            analysed.execute("ANALYZE")
            analysed.executemany(
                "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)",
                [
                    (few.table, few.name, f"{STATISTICS_ROWS} {STATISTICS_ROWS // FEW_VALUES}"),
                    (few.table, newest.name, f"{STATISTICS_ROWS} 1"),
                ],
            )
            analysed.execute("ANALYZE sqlite_schema")
            after = _plan(analysed, asked)
        yield Finding(
            kind="misleading index",
            where=f"{target}.{few.name}",
            says=f"Without statistics the planner uses this index on a column with few values and sorts the rows; "
            f"with statistics it reads {newest.name} and stops after 50 rows.  The build therefore ends with ANALYZE.",
            asked=asked,
            evidence=(*(f"without ANALYZE: {line}" for line in before), *(f"after ANALYZE: {line}" for line in after)),
        )


def _history(schema: Schema) -> Iterator[tuple[Table, str]]:
    """Yield each UNIQUE column of a table that keeps closed rows in addition to open ones."""
    for table in schema.tables:
        if any("'closed'" in check.expression for check in table.checks):
            for unique in table.uniques:
                if unique.origin == "unique":
                    yield table, str(unique.columns[0].name)


def _history_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    del connection
    for table, column in _history(schema):
        yield Finding(
            kind="history made unique",
            where=f"{target}.{table.name}.{column}",
            says=f"{table.name} keeps closed rows too, and the same {column} is traded again: UNIQUE accepts only "
            "one row of its history, the others are quarantined.",
            asked="SELECT count(*) - count(DISTINCT token_mint) FROM jarvis.positions",
            evidence=("on the legacy set: the least number of rows that are refused",),
        )


def _dated(schema: Schema) -> Iterator[VirtualTable]:
    """Yield each full-text table that indexes its time."""
    yield from (table for table in schema.virtual_tables if "timestamp" in table.columns)


def _full_text_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    for table in _dated(schema):
        asked = f"SELECT count(*) FROM {table.name} WHERE {table.name} MATCH '2026'"
        connection.execute("SAVEPOINT trial")
        connection.execute(f"INSERT INTO {table.name} (content, timestamp) VALUES ('a lesson', '2026-01-25 12:00:00')")
        (count,) = connection.execute(asked).fetchone()
        connection.execute("ROLLBACK TO trial")
        yield Finding(
            kind="indexed by accident",
            where=f"{target}.{table.name}.timestamp",
            says="The time is part of the full-text index, so a search for a number finds rows by their date; "
            "UNINDEXED would prevent this.",
            asked=asked,
            evidence=(f"{count} row found whose content is 'a lesson'",),
        )


def _repeatable(target: str, schema: Schema) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Yield each table where nothing but its key is unique, with the constraints that its legacy tables have."""
    for table in schema.tables:
        legacy = tuple(
            f"{mapping.source}: {unique.constraint}"
            for mapping in mapping_reader.mappings()
            if (mapping.target, mapping.table) == (target, table.name) and not mapping.stub
            for unique in _legacy_schema(mapping.database).uniques(mapping.source_table)
        )
        if legacy and not schema.uniques(table.name):
            yield table, legacy


@cache
def _legacy_schema(database: str) -> Schema:
    """Return the schema of a legacy database as found."""
    return schema_reader.read(next(known.ddl for known in catalogue.legacy_databases() if known.name == database))


def _repeatable_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    for table, legacy in _repeatable(target, schema):
        asked = f"SELECT count(*) FROM pragma_index_list('{table.name}') WHERE \"unique\""
        (count,) = connection.execute(asked).fetchone()
        yield Finding(
            kind="uniqueness lost",
            where=f"{target}.{table.name}",
            says="The legacy table refuses a second row, or replaces the first; here a repeated insert adds a row, and an "
            "upsert that names these columns cannot be prepared.",
            asked=asked,
            evidence=(f"{count}", *legacy),
        )


def _merged(schema: Schema) -> Iterator[tuple[Table, Check]]:
    """Yield each CHECK that lists the word ``other``, and not every provider that the legacy code names."""
    for table in schema.tables:
        for check in table.checks:
            if "'other'" in check.expression and not all(f"'{name}'" in check.expression for name in LEGACY_PROVIDERS):
                yield table, check


def _merged_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    del connection
    for table, check in _merged(schema):
        yield Finding(
            kind="values merged",
            where=f"{target}.{table.name}.{check.columns[0]}",
            says="The legacy column has names that the CHECK does not list: they become 'other', so that sums by "
            f"{check.columns[0]} merge them; the name itself is in the metadata.",
            asked="SELECT DISTINCT provider FROM llm_costs.llm_usage",
            evidence=(check.expression, f"the legacy code writes these too: {', '.join(LEGACY_PROVIDERS)}"),
        )


def _config_findings(target: str, schema: Schema, connection: sqlite3.Connection) -> Iterator[Finding]:
    if not any(table.name == "config" for table in schema.tables):
        return
    for key, limit in TRADER_LIMITS_USD.items():
        asked = f"SELECT value FROM config WHERE key = '{key}'"
        (value,) = connection.execute(asked).fetchone()
        if float(value) != limit:
            yield Finding(
                kind="looser than the code",
                where=f"{target}.config.{key}",
                says=f"The specified default is {float(value) / limit:g} times the {limit:g} USD that is compiled into "
                "the trader; if the trader reads this table one day, its limit rises.",
                asked=asked,
                evidence=(f"{value} USD",),
            )


_FINDERS: tuple[Callable[[str, Schema, sqlite3.Connection], Iterator[Finding]], ...] = (
    _redundant_findings,
    _unindexed_findings,
    _misleading_findings,
    _history_findings,
    _full_text_findings,
    _repeatable_findings,
    _merged_findings,
    _config_findings,
)


def _plan(connection: sqlite3.Connection, asked: str) -> tuple[str, ...]:
    """Return the lines of EXPLAIN QUERY PLAN for *asked*, with NULL for every parameter."""
    values = dict.fromkeys(_NAMED.findall(asked)) or (None,) * asked.count("?")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {asked}", values)
    return tuple(detail for _, _, _, detail in rows)


def _recommendation() -> Iterator[str]:
    """Yield the lines of the page on the recommended indexes."""
    yield from (
        "",
        "## The recommended indexes",
        "",
        f'`[decisions] extra_indexes = "{extra_indexes.RECOMMENDED}"` in `migrator.toml` makes these indexes, which answer findings of the kind',
        "*slower than the legacy file*. Sizes and steps of SQLite's virtual machine at 100,000 legacy rows, SQLite 3.40.1:",
        "",
        "| index | answers | costs |",
        "|---|---|---|",
    )
    for index in recommended():
        yield f"| `{index.name}` | {', '.join(f'`{name}`' for name in index.answers)} | {index.costs} |"
    yield from (
        "",
        "The statements are in `migrator/schema/amendments/recommended_indexes.sql`. Four of them have an expression on JSON: then SQLite",
        "3.40 refuses to open the database on a connection with `PRAGMA trusted_schema = OFF`. SQLite uses such an index only",
        "for a query that has the same expression, so take the queries below as they are.",
        "",
        f"With these indexes a query takes at most {workload.STAYS:g} times the steps of the legacy file, plus 20, which small statements differ by",
        "(judged at 20,000 legacy rows). These take more:",
        "",
        "| query | at most | why |",
        "|---|---|---|",
    )
    for question in workload.questions():
        if question.why_it_stays:
            yield f"| `{question.target}: {question.name}` | {question.stays:g} times | {question.why_it_stays} |"


def _amendments(finding: Finding) -> list[str]:
    """Return the amendments of the specification that answer *finding*."""
    heading = f"{finding.kind}: {finding.where}"
    return [name for name, amendment in specified.amendments().items() if heading in amendment.answers]


def _about_amendments() -> Iterator[str]:
    """Yield the lines of the page on the amendments of the specification."""
    yield from (
        "",
        "## The amendments of the specification",
        "",
        "`[decisions] amendments = [...]` in `migrator.toml` builds to the specification with these amendments",
        "([how to choose](../how-to/amend-the-specification.md)); each is one file in `migrator/schema/amendments`:",
        "",
        "| amendment | what it changes | answers |",
        "|---|---|---|",
    )
    for name, amendment in specified.amendments().items():
        yield f"| `{name}` | {amendment.changes} | {'; '.join(amendment.answers)} |"


def as_markdown(findings: tuple[Finding, ...]) -> str:
    """Return the findings as a page of docs."""
    lines = [
        "# Findings on the specified design",
        "",
        "Made by `python -m contracts.performance.design_findings`; a test keeps it current.  No finding is repaired silently: the",
        "databases are built as specified, and their owners decide.",
        *_about_amendments(),
        *_recommendation(),
    ]
    for finding in findings:
        lines += ["", f"## {finding.kind}: `{finding.where}`", "", finding.says, "", "```sql", f"{finding.asked};"]
        lines += [f"-- {line}" for line in finding.evidence]
        lines += [f"-- would repair it: {finding.mend}"] if finding.mend else []
        lines += [f'-- [decisions] amendments = ["{name}"] repairs it' for name in _amendments(finding)]
        lines += [f"-- {finding.recommends}"] if finding.recommends else []
        lines += ["```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(design()), end="")  # noqa: T201 - the page is the result
