"""Reads the bot's queries, ``sql/workload/*.sql``, each in a form for both databases.

A file has a header, the statement for the legacy database, and after ``-- consolidated:`` the other statement.  Both
run on a connection to the one database that the header names, and give the same result.

    -- query:  lots_of_symbol                  the name of the query and of its file
    -- legacy: tax.tax_lots                    the legacy database and table
    -- target: core.tax_lots core.lineage      the consolidated database and its tables
    -- asked:  warm: every sale                hot, warm or cold, and when
    -- takes:  SELECT ... AS symbol FROM ...   named parameters, a row for each run; databases attached
    -- times:  purchase_date                   columns of the legacy result that are times
    -- json:   cashtags                        columns of the legacy result that are JSON
    -- differs: ...                            why the two results differ, if they do
    -- costs:  ...                             why it may take more steps than on the legacy file, if it may: a finding
    -- longer: ...                             why as many steps take longer, if they do: a finding, also judged
    -- mends:  CREATE INDEX core....           the index that would repair it, if there is one
    -- stays:  1.8: ...                        with the recommended indexes: its steps on the legacy file times this at most,
                                               and why, if more than 1.1 times
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from migrator.errors import MappingError
from migrator.schema import sql_header

#: Relative frequency of a query in a mix.
WEIGHTS = {"hot": 10, "warm": 3, "cold": 1}

#: Limit of a query's steps with the recommended indexes [factor of its steps on the legacy file].
STAYS = 1.1

_MUST, _MAY = (
    ("query", "legacy", "target", "asked"),
    ("takes", "times", "json", "differs", "costs", "longer", "mends", "stays"),
)
_HEADER: dict[str, str | None] = dict.fromkeys(_MUST) | dict.fromkeys(_MAY, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query of the bot, in both forms.

    Attributes:
        name: Its name.
        legacy: Its legacy database.
        legacy_tables: The legacy tables that it reads.
        target: Its consolidated database: ``core``, ``analytics`` or ``cache``.
        target_tables: The consolidated tables that it reads.
        often: ``hot``, ``warm`` or ``cold``.
        when: When the bot runs it, in words.
        takes: A SELECT of the named parameters; '' without parameters.
        times: Columns of the legacy result that are times.
        json: Columns of the legacy result that are JSON.
        differs: Why the two results differ; '' if they are equal.
        costs: Why it may take more steps than on the legacy file; '' if it may not.
        longer: Why as many steps take longer than on the legacy file; '' if they do not.
        mends: The statement of the index that would repair this; '' without one.
        stays: Limit of its steps with the recommended indexes, as a factor of those on the legacy file.
        why_it_stays: Why this is more than ``STAYS``; '' if it is not.
        legacy_sql: The statement for the legacy database.
        sql: The statement for the consolidated database.
    """

    name: str
    legacy: str
    legacy_tables: tuple[str, ...]
    target: str
    target_tables: tuple[str, ...]
    often: str
    when: str
    takes: str
    times: frozenset[str]
    json: frozenset[str]
    differs: str
    costs: str
    longer: str
    mends: str
    stays: float
    why_it_stays: str
    legacy_sql: str
    sql: str

    @property
    def writes(self) -> bool:
        """Whether the query changes rows."""
        return not self.sql.startswith("SELECT")

    @property
    def slower(self) -> str:
        """Why the query is slower than on the legacy file, for its finding; '' if it is not."""
        return self.costs or self.longer


@cache
def questions() -> tuple[Question, ...]:
    """Return every query of the package, by name.

    Raises:
        MappingError: A file is wrong.
    """
    folder = files("migrator.mapping") / "sql" / "workload"
    texts = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir())
    return tuple(read(text, name) for name, text in texts if name.endswith(".sql"))


def read(text: str, file: str) -> Question:
    """Return the query in *text*.

    Raises:
        MappingError: Its header or one of its two forms is missing.
    """
    where = f"mapping/sql/workload/{file}"
    head, separator, ours = text.partition("\n-- consolidated:\n")
    header, legacy_sql = sql_header.read(head, _HEADER, where)
    often, _, when = header["asked"].partition(": ")
    factor, _, why_it_stays = header["stays"].partition(": ")
    if header["query"] != file.removesuffix(".sql") or often not in WEIGHTS or not separator:
        raise MappingError("needs its own name, hot, warm or cold, and a consolidated form", where=where)
    legacy, target = (_tables(header[side], where) for side in ("legacy", "target"))
    return Question(
        name=header["query"],
        legacy=legacy[0],
        legacy_tables=legacy[1],
        target=target[0],
        target_tables=target[1],
        often=often,
        when=when,
        takes=header["takes"],
        times=frozenset(header["times"].split()),
        json=frozenset(header["json"].split()),
        differs=header["differs"],
        costs=header["costs"],
        longer=header["longer"],
        mends=header["mends"],
        stays=float(factor) if why_it_stays else STAYS,
        why_it_stays=why_it_stays,
        legacy_sql=legacy_sql.strip().removesuffix(";"),
        sql=ours.strip().removesuffix(";"),
    )


def _tables(listed: str, where: str) -> tuple[str, tuple[str, ...]]:
    named = [table.partition(".")[::2] for table in listed.split()]
    if len({database for database, _ in named}) != 1 or not all(table for _, table in named):
        raise MappingError("a query can read the tables of one database only", where=where)
    return named[0][0], tuple(table for _, table in named)
