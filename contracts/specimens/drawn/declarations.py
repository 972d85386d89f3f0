"""Hypothesis strategies for CREATE TABLE statements with foreign keys in every position.

They also have text that a careless parser takes for a foreign key: the words in strings, names, comments and brackets.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

NAMES = ("a", '"b c"', "[REFERENCES]", "`foreign key`", '"d ""e"""', '"x,y"', '"("', "ü", "key", "no_action", "$f")
TYPES = ("", "TEXT", "INTEGER", "VARCHAR(10)", "DECIMAL(10, 2)", "DOUBLE PRECISION", "REFERENCESX", "'q t'")
SPACES = (" ", "\n\t", " -- REFERENCES p(id), FOREIGN KEY (a\n", " /* ) , REFERENCES p */ ")


def references() -> SearchStrategy[list[str]]:
    """REFERENCES clauses, as words."""
    actions = st.sampled_from(["SET NULL", "SET DEFAULT", "CASCADE", "RESTRICT", "NO ACTION"])
    after = st.one_of(
        actions.map(lambda action: f"ON DELETE {action}"),
        actions.map(lambda action: f"on update {action}"),
        st.sampled_from(["MATCH FULL", "match simple"]),
    )
    deferred = st.sampled_from(
        ["", "DEFERRABLE", "NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED", "not deferrable initially immediate"]
    )
    parents = st.sampled_from(["p", '"p q"', "p(id)", '[p] ( "id" )', "p ('id')"])
    return st.builds(
        lambda parent, several, last: " ".join(["REFERENCES", parent, *several, last]).split(" "),
        parents,
        st.lists(after, max_size=3),
        deferred,
    )


def _named(constraint: SearchStrategy[list[str]]) -> SearchStrategy[list[str]]:
    names = st.sampled_from([[], ["CONSTRAINT", "c"], ["constraint", '"my ""c"""'], ["CONSTRAINT", "REFERENCESX"]])
    return st.builds(lambda name, words: [*name, *words], names, constraint)


def _column_constraints() -> SearchStrategy[list[str]]:
    others = st.sampled_from(
        [
            "NOT NULL",
            "UNIQUE",
            "DEFAULT 'REFERENCES p(id)'",
            "DEFAULT -1.5e-3",
            "DEFAULT (1 + (2))",
            "DEFAULT x'00ff'",
            "DEFAULT CURRENT_TIMESTAMP",
            "COLLATE NOCASE",
            "CHECK (1 <> 2 OR 'it''s, REFERENCES' = '')",
            "UNIQUE ON CONFLICT REPLACE",
            "NULL",
        ]
    ).map(lambda text: [text])
    return _named(others | references())


@st.composite
def create_tables(draw: st.DrawFn, *, max_columns: int = 4) -> str:
    """CREATE TABLE statements that SQLite accepts, most of them with a foreign key somewhere."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=max_columns, unique=True))
    space = st.sampled_from(SPACES)
    parts = []
    for name in names:
        words = [name, draw(st.sampled_from(TYPES))]
        for constraint in draw(st.lists(_column_constraints(), max_size=3)):
            words += constraint
        parts.append(draw(space).join(word for word in words if word))
    tables = st.sampled_from(
        [
            f"FOREIGN KEY ({names[0]}) ",
            f"UNIQUE ({', '.join(names)})",
            f"CHECK ({names[0]} IS NOT 'FOREIGN KEY (a) REFERENCES p')",
        ]
    ).flatmap(lambda text: references().map(lambda words: [text, *words]) if text.endswith(" ") else st.just([text]))
    parts += [draw(space).join(constraint) for constraint in draw(st.lists(_named(tables), max_size=3))]
    key = draw(st.sampled_from(["", f"PRIMARY KEY ({names[0]})"]))
    ending = draw(st.sampled_from(["", " WITHOUT ROWID"])) if key else ""
    name = draw(st.sampled_from(["t", '"t (u"', "main.t", "IF NOT EXISTS t", "[FOREIGN KEY]"]))
    joined = f"{draw(space)},{draw(space)}".join([*parts, *([key] if key else [])])
    return f"CREATE{draw(space)}TABLE {name}{draw(space)}({joined}){ending}"
