"""What is read from SQL text: the header of a file of the package, and the declaration of a virtual table."""

import pytest

from contracts.suite import sql_contract
from migrator.errors import DdlError, MappingError
from migrator.schema import sql_header
from migrator.system import virtual_tables

KEYS = {"name": None, "why": "", "asks": "nothing"}


def test_a_header_ends_where_the_statement_begins():
    text = "-- name: trades: all\n-- why:  one line\n--       and one more\nSELECT 1; -- asks: no header\n"

    found, below = sql_header.read(text, KEYS, "x.sql")

    assert {"name": "trades: all", "why": "one line and one more", "asks": "nothing"} == found
    assert "SELECT 1; -- asks: no header\n" == below


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT 1;", r"x\.sql:1:1: lacks the line '-- name:'"),
        ("-- name: a\n-- nmae: b\n", r"x\.sql:2:1: unknown line in the header; known are: name, why, asks"),
        ("-- name: a\n-- name: b\n", r"x\.sql:2:1: 'name' is there twice"),
        ("--   continued\n", r"x\.sql:1:1: unknown line in the header"),
    ],
)
def test_a_header_that_is_wrong_is_an_error_with_its_line(text, sentence):
    with pytest.raises(MappingError, match=sentence):
        sql_header.read(text, KEYS, "x.sql")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- It holds.\nSELECT 1;\n-- clause: S4\n", "lacks the line '-- clause:'"),
        (
            "-- It holds.\n-- clause: S4\n-- varaint: found\nSELECT 1;\n-- broken by:\nSELECT 2;\n",
            "unknown line in the header",
        ),
        ("It holds.\n-- clause: S4\nSELECT 1;\n-- broken by:\nSELECT 2;\n", "needs a first line with its claim"),
        ("-- It holds.\n-- clause: S4\nSELECT 1;\n", "needs a part '-- broken by:'"),
    ],
)
def test_a_contract_with_a_wrong_header_is_an_error(text, sentence):
    with pytest.raises((DdlError, MappingError), match=sentence):
        sql_contract.parse(text, "x.sql")


@pytest.mark.parametrize(
    ("sql", "module", "arguments", "content"),
    [
        ("CREATE VIRTUAL TABLE t USING fts5(a, content='x', tokenize = 'a, b')", "fts5", 3, "x"),
        ("create virtual table [a b] using FTS4(content=[x, y], a,)", "fts4", 2, "x, y"),
        ('CREATE VIRTUAL TABLE "a""b" USING "fts5"(a,\n  CONTENT = `x`\n)', "fts5", 2, "x"),
        ("CREATE VIRTUAL TABLE t USING fts5(a, content='')", "fts5", 2, ""),
        ("CREATE VIRTUAL TABLE t USING fts5(a, content_rowid = 'id', tokenize = ', content=x')", "fts5", 3, None),
        ("CREATE VIRTUAL TABLE t USING fts3()", "fts3", 0, None),
        ("CREATE VIRTUAL TABLE t USING fts3", "fts3", 0, None),
        ("CREATE TABLE t (a, content = 'x')", "", 0, None),
    ],
)
def test_the_declaration_of_a_virtual_table_is_read(sql, module, arguments, content):
    found, listed = virtual_tables.declaration(sql)

    assert (module, arguments, content) == (found, len(listed), virtual_tables.content_of(sql))
