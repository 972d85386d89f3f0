"""What the bot asks of its databases: ``workload/*.sql``, each question as it is asked of the legacy file and of ours.

A file has a header, the statement for the legacy database, and after ``-- consolidated:`` the one for ours.  Both are
run on a connection to the one database that the header names first, and give the same answer.

    -- query:  lots_of_symbol                  what the question is called, as the file is
    -- legacy: tax.tax_lots                    the legacy database and table
    -- target: core.tax_lots core.lineage      the consolidated database and its tables
    -- asked:  warm: every sale                hot, warm or cold, and when
    -- takes:  SELECT ... AS symbol FROM ...   named parameters, a row for each time it is asked; databases attached
    -- times:  purchase_date                   columns of the answer, as the legacy form calls them, that are instants
    -- json:   cashtags                        the same, that are JSON
    -- differs: ...                            why the two answers are not the same, where they are not
    -- costs:  ...                             why it may take more steps than on the legacy file, where it may: a finding
    -- longer: ...                             why as many steps take longer, where they do: a finding, judged all the same
    -- mends:  CREATE INDEX core....           the index that would mend it, where one would
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from migrator.errors import MappingError
from migrator.schema import sql_header

#: How often a question is asked in a mix, beside the others.
WEIGHTS = {"hot": 10, "warm": 3, "cold": 1}

_MUST, _MAY = ("query", "legacy", "target", "asked"), ("takes", "times", "json", "differs", "costs", "longer", "mends")
_HEADER: dict[str, str | None] = dict.fromkeys(_MUST) | dict.fromkeys(_MAY, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of the bot, in both forms.

    Attributes:
        name: What it is called.
        legacy: The legacy database that is asked.
        legacy_tables: Its tables that are asked.
        target: The consolidated database that is asked: ``core``, ``analytics`` or ``cache``.
        target_tables: Its tables that are asked.
        often: ``hot``, ``warm`` or ``cold``.
        when: When it is asked, in words.
        takes: A SELECT of the named parameters, '' where it has none.
        times: Columns of the legacy answer that are instants.
        json: Columns of the legacy answer that are JSON.
        differs: Why the two answers are not the same, '' where they are.
        costs: Why it may take more steps than on the legacy file, '' where it may not.
        longer: Why as many steps take longer than on the legacy file, '' where they do not.
        mends: The statement of the index that would mend that, '' where none would.
        legacy_sql: The statement for the legacy database.
        sql: The statement for ours.
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
    legacy_sql: str
    sql: str

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return not self.sql.startswith("SELECT")

    @property
    def slower(self) -> str:
        """Why it is slower than on the legacy file, as a finding says; '' where it is not."""
        return self.costs or self.longer


@cache
def questions() -> tuple[Question, ...]:
    """Return every question of the package, by name.

    Raises:
        MappingError: A file is wrong.
    """
    folder = files("contracts.performance") / "workload"
    texts = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir())
    return tuple(read(text, name) for name, text in texts if name.endswith(".sql"))


def read(text: str, file: str) -> Question:
    """Return the question that *text* states.

    Raises:
        MappingError: Its header or one of its two forms is missing.
    """
    where = f"workload/{file}"
    head, separator, ours = text.partition("\n-- consolidated:\n")
    found, legacy_sql = sql_header.read(head, _HEADER, where)
    often, _, when = found["asked"].partition(": ")
    if found["query"] != file.removesuffix(".sql") or often not in WEIGHTS or not separator:
        raise MappingError("needs its own name, hot, warm or cold, and a consolidated form", where=where)
    legacy, target = (_tables(found[side], where) for side in ("legacy", "target"))
    return Question(
        name=found["query"],
        legacy=legacy[0],
        legacy_tables=legacy[1],
        target=target[0],
        target_tables=target[1],
        often=often,
        when=when,
        takes=found["takes"],
        times=frozenset(found["times"].split()),
        json=frozenset(found["json"].split()),
        differs=found["differs"],
        costs=found["costs"],
        longer=found["longer"],
        mends=found["mends"],
        legacy_sql=legacy_sql.strip().removesuffix(";"),
        sql=ours.strip().removesuffix(";"),
    )


def _tables(listed: str, where: str) -> tuple[str, tuple[str, ...]]:
    named = [one.partition(".")[::2] for one in listed.split()]
    if len({database for database, _ in named}) != 1 or not all(table for _, table in named):
        raise MappingError("a question is asked of tables of one database", where=where)
    return named[0][0], tuple(table for _, table in named)
