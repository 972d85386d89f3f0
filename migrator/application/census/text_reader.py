"""Reads files that are no Python, by pattern: shell scripts, other languages, SQL, and settings."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.application.census import legacy_set, sql_text, verdicts
from migrator.application.census.findings import Finding, Kind, Verdict
from migrator.application.census.verdicts import Api, Judged, Opened

#: Language of a file that is Python by its name, and cannot be parsed.
BROKEN = "broken python"
_COMMENTS = ("#", "//", "--", "*", "/*")
#: Language -> verdict on a legacy file that it names, the reason, and the change.
_PATHS = {
    "settings": (Verdict.COMPAT, "the name stays; what opens it decides", ""),
    "shell": (Verdict.UNKNOWN, "a program gets the consolidated file under this name", ""),
    "foreign": (
        Verdict.CHANGE,
        "compat serves Python alone: this opens the consolidated file",
        "use the new names, or a file of migrator compat export",
    ),
    "sql": (Verdict.UNKNOWN, "what runs this file decides: compat serves Python, not the sqlite3 shell", ""),
    BROKEN: (Verdict.UNKNOWN, "Python cannot parse this file", ""),
}
#: Language -> whether compat serves its SQL; None if that cannot be seen.
_SERVED = {"settings": None, "shell": False, "foreign": False, "sql": None, BROKEN: None}


def findings(shown: str, text: str, language: str) -> Iterator[Finding]:
    """Yield what the file *shown*, with this *text*, names of the legacy set."""
    starts = _line_starts(text)
    near: list[str] = []
    for number, start in enumerate(starts, start=1):
        line = text[start : starts[number] if number < len(starts) else len(text)]
        if line.lstrip().startswith(_COMMENTS):
            continue
        for column, path in sql_text.files_in(line):
            databases = legacy_set.databases_at(path)
            near += databases
            yield _finding(shown, number, column + 1, path.strip(), _path(line, databases, language))
    for literal in sql_text.literals(text) if language != "sql" else _statements(text):
        yield from _in_literal(shown, literal, tuple(dict.fromkeys(near)), language, starts)


def _line_starts(text: str) -> list[int]:
    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    return starts


def _statements(text: str) -> Iterator[sql_text.Literal]:
    """Yield the whole text of an SQL file, which is divided into statements later."""
    yield sql_text.Literal(0, text)


def _path(line: str, databases: tuple[str, ...], language: str) -> Judged:
    if language in {"shell", "settings"} and "sqlite3" in {word.rpartition("/")[2] for word in _words(line)}:
        return sql_text.of_program(databases, by_shell=True)
    if all(map(legacy_set.is_standalone, databases)):
        return Judged(kind=Kind.PATH, databases=databases, verdict=Verdict.WORKS, why="the file stays as it is")
    verdict, why, change = _PATHS[language]
    return Judged(kind=Kind.PATH, databases=databases, verdict=verdict, why=why, change=(change,) if change else ())


def _words(line: str) -> list[str]:
    """Return the words of a command line, without the quotes and brackets that other files put around them."""
    return line.translate(str.maketrans("\"'[],()=;|&$`", " " * 13)).split()


def _in_literal(
    shown: str, literal: sql_text.Literal, near: tuple[str, ...], language: str, starts: list[int]
) -> Iterator[Finding]:
    known = legacy_set.tables()
    opened = Opened(api=Api.UNSEEN, databases=near) if len(near) == 1 else None
    for part, statement in sql_text.statements(literal.value, ()):
        if not any(named.table in known or verdicts.HOLE in named.table for named in statement.named):
            continue
        # A name with a hole means nothing unless the file shows that it is about a legacy database.
        for judged in verdicts.of_statement(statement, opened, near, served=_SERVED[language]):
            if not judged.table and not near:
                continue
            offset = sql_text.find_word(literal.text, judged.table, 0) if judged.table else 0
            position = literal.start + max(offset, 0)
            if literal.text.find(part.text) >= 0 and judged.offset is not None:
                position = literal.start + literal.text.find(part.text) + judged.offset
            number = next(line for line in range(len(starts), 0, -1) if starts[line - 1] <= position)
            yield _finding(shown, number, position - starts[number - 1] + 1, sql_text.named(judged, part.text), judged)


def _finding(shown: str, line: int, column: int, named: str, judged: Judged) -> Finding:
    return Finding(
        file=shown,
        line=line,
        column=column,
        kind=judged.kind,
        named=named,
        databases=judged.databases,
        table=judged.table,
        columns=judged.columns,
        verdict=judged.verdict,
        why=judged.why,
        change=judged.change,
    )
