"""Reads Python modules: the connections they open, the SQL they run, the legacy files they name."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote

from migrator.application.census import legacy_set, sql_text, verdicts
from migrator.application.census.findings import Finding, Kind, Verdict
from migrator.application.census.python_code import Function, Module, Scope, spelled
from migrator.application.census.python_values import Call, Project, Value, Values
from migrator.application.census.verdicts import Api, Judged, Opened
from migrator.mapping import named_columns

#: Functions and classes that open a database -> how.
OPENERS: Mapping[str, Api] = MappingProxyType(
    {
        "sqlite3.connect": Api.SQLITE,
        "sqlite3.dbapi2.connect": Api.SQLITE,
        "sqlite3.Connection": Api.CLASS,
        "sqlite3.dbapi2.Connection": Api.CLASS,
        "apsw.Connection": Api.CLASS,
        "pysqlite3.connect": Api.CLASS,
        "pysqlite3.dbapi2.connect": Api.CLASS,
        "aiosqlite.connect": Api.LIBRARY,
        "sqlalchemy.create_engine": Api.LIBRARY,
        "sqlalchemy.engine.create_engine": Api.LIBRARY,
        "sqlalchemy.ext.asyncio.create_async_engine": Api.LIBRARY,
        "sqlmodel.create_engine": Api.LIBRARY,
        "peewee.SqliteDatabase": Api.LIBRARY,
        "playhouse.sqlite_ext.SqliteExtDatabase": Api.LIBRARY,
        "playhouse.pool.PooledSqliteDatabase": Api.LIBRARY,
        "databases.Database": Api.LIBRARY,
        "dataset.connect": Api.LIBRARY,
        "sqlite_utils.Database": Api.LIBRARY,
        "migrator.connect": Api.MIGRATOR,
    }
)
_LIBRARIES = frozenset(name.partition(".")[0] for name in OPENERS) | {"sqlmodel", "playhouse", "pandas"}
#: Methods that run SQL, and functions that run it on a connection that they are given.
_RUNS = frozenset(
    {"execute", "executemany", "executescript", "execute_fetchall", "execute_insert", "exec_driver_sql"}
    | {"execute_sql", "fetch_all", "fetch_one", "fetch_val", "scalar", "scalars", "iterate"}
)
_RUNS_ON = frozenset({"pandas.read_sql", "pandas.read_sql_query"})
_PATH_ARGUMENTS = frozenset({"database", "db", "url", "name", "filename", "filename_or_conn"})
#: Methods whose result works on the same database.
_PASSES_ON = frozenset(
    {"cursor", "connect", "begin", "execution_options", "raw_connection", "connection", "acquire", "session", "execute"}
)
_CONNECTION_WORDS = ("conn", "cur", "db", "sql", "session", "engine", "database")
_PROGRAMS = ("subprocess.", "os.system", "os.popen", "asyncio.create_subprocess_")
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class _Run:
    """A call that runs SQL: the call, its scope, the SQL and what runs it."""

    call: ast.Call
    scope: Scope
    sql: ast.expr
    receiver: ast.expr


class PythonReader:
    """Reads all Python modules of a code base."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = list(modules)
        self._code = _Code()
        for module in self._modules:
            self._code.collect(module)
        self._values = Values(Project(self._modules, self._code.calls, self._code.defined))
        self._owner: dict[int, Module] = {}
        self._covered: set[int] = set()
        self._opened: dict[int, Opened | None] = {}
        self._near: dict[str, tuple[str, ...]] = {}
        self._temporary: set[tuple[str, str]] = set()

    def findings(self) -> Iterator[Finding]:
        """Yield each finding of each module once."""
        for node, scope in self._code.strings:
            for part in ast.walk(node):
                self._owner[id(part)] = scope.module
        found: dict[tuple[object, ...], Finding] = {}
        for finding in self._all():
            # Of the ways in which one statement can be put together, the one that names most.
            key = (finding.file, finding.line, finding.column, finding.kind, finding.table)
            if key not in found or len(found[key].columns) < len(finding.columns):
                found[key] = finding
        # A temporary table is no table of the database, wherever its file says so.
        yield from (finding for finding in found.values() if (finding.file, finding.table) not in self._temporary)

    def _all(self) -> Iterator[Finding]:
        for call in self._code.calls:
            yield from self._connection(call.node, call.scope)
        for call in self._code.calls:
            yield from self._program(call.node, call.scope)
        for call in self._code.calls:
            run = self._run(call.node, call.scope)
            if run is not None:
                yield from self._statements(run)
        for module in self._modules:
            yield from self._models(module)
        for node, scope in self._code.strings:
            if id(node) not in self._covered:
                yield from self._string(node, scope)

    # Connections

    def _connection(self, call: ast.Call, scope: Scope) -> Iterator[Finding]:
        opened = self._opens(call, scope)
        if opened is None:
            return
        near = [*self._near.get(scope.module.name, ()), *opened.databases]
        self._near[scope.module.name] = tuple(dict.fromkeys(near))
        if opened.path in {":memory:", "memory"}:
            return
        named = opened.path or spelled(call)
        yield _at(scope.module, call.func, named, verdicts.of_connection(opened))

    def _opens(self, call: ast.Call, scope: Scope) -> Opened | None:
        """Return what *call* opens; None if it opens no database."""
        if id(call) not in self._opened:
            self._opened[id(call)] = None
            self._opened[id(call)] = self._open(call, scope)
        return self._opened[id(call)]

    def _open(self, call: ast.Call, scope: Scope) -> Opened | None:
        name, api, given = self._opener(call, scope)
        if api is None:
            return None
        keywords = {keyword.arg: keyword.value for keyword in given.keywords}
        path = next((keywords[key] for key in _PATH_ARGUMENTS if key in keywords), None)
        path = given.args[0] if given.args else path
        values = [] if path is None else self._values.of(path, scope)
        seen = [_place(value) for value in values]
        places = [place for place in seen if place]
        for value in values:
            self._covered.update(id(piece.node) for piece in value.pieces)
        databases = tuple(dict.fromkeys(database for place in places for database in legacy_set.databases_at(place)))
        schema = keywords.get("schema")
        return Opened(
            api=api,
            called=name,
            path=_named_path(seen, databases),
            databases=databases,
            target=next((target for place in places if (target := legacy_set.target_at(place))), ""),
            factory="factory" in keywords and self._is_function(keywords["factory"], scope),
            consolidated=isinstance(schema, ast.Constant) and schema.value == "consolidated",
        )

    @staticmethod
    def _is_function(node: ast.expr, scope: Scope) -> bool:
        """Return whether *node* is a function, or a call that makes one, rather than a class; a name not of its module is not."""
        if isinstance(node, ast.Name):
            return node.id in scope.module.functions
        return isinstance(node, ast.Lambda | ast.Call)

    def _opener(self, call: ast.Call, scope: Scope) -> tuple[str, Api | None, ast.Call]:
        """Return the function that *call* opens a database with, how, and the call that has the arguments."""
        name = self._values.dotted(call.func, scope)
        if name in OPENERS:
            bound = isinstance(call.func, ast.Name) and OPENERS[name] is Api.SQLITE
            return name, Api.BOUND if bound else OPENERS[name], call
        if not _can_be_alias(call.func, scope):
            return name, None, call
        for inner, value in self._values.bound(call.func, scope):
            alias = self._values.dotted(value, inner)
            if OPENERS.get(alias) is Api.SQLITE:
                return alias, Api.BOUND, call
            if (
                isinstance(value, ast.Call)
                and self._values.dotted(value.func, inner) == "functools.partial"
                and value.args
            ):
                alias = self._values.dotted(value.args[0], inner)
                if alias in OPENERS:
                    given = ast.Call(func=call.func, args=[*value.args[1:], *call.args], keywords=value.keywords)
                    return alias, Api.BOUND, given
        return name, None, call

    def _connected(self, node: ast.expr, scope: Scope, deep: int = 0) -> list[Opened]:
        """Return the connections that *node* can stand for."""
        if deep > _DEEPEST:
            return []
        if isinstance(node, ast.Await):
            return self._connected(node.value, scope, deep + 1)
        if isinstance(node, ast.IfExp):
            return [*self._connected(node.body, scope, deep + 1), *self._connected(node.orelse, scope, deep + 1)]
        if isinstance(node, ast.Call):
            return self._connected_by_call(node, scope, deep)
        if isinstance(node, ast.Name | ast.Attribute):
            return _unique(
                connection
                for inner, value in self._values.bound(node, scope)
                for connection in self._connected(value, inner, deep + 1)
            )
        return []

    def _connected_by_call(self, call: ast.Call, scope: Scope, deep: int) -> list[Opened]:
        opened = self._opens(call, scope)
        if opened is not None:
            return [opened]
        name = self._values.dotted(call.func, scope)
        if name == "contextlib.closing" or name.startswith("sqlalchemy."):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            return _unique(connection for value in given for connection in self._connected(value, scope, deep + 1))
        found = [
            connection
            for function, inner in self._values.functions(call.func, scope)
            for value in _results(function)
            for connection in self._connected(value, inner, deep + 1)
        ]
        if found:
            return _unique(found)
        if isinstance(call.func, ast.Attribute) and call.func.attr in _PASSES_ON:
            return self._connected(call.func.value, scope, deep + 1)
        return self._connected(call.func, scope, deep + 1) if isinstance(call.func, ast.Name) else []

    # Statements

    def _run(self, call: ast.Call, scope: Scope) -> _Run | None:
        if not call.args:
            return None
        if self._values.dotted(call.func, scope) in _RUNS_ON:
            connection = [*call.args[1:2], *(word.value for word in call.keywords if word.arg in {"con", "sql"})]
            return _Run(call, scope, call.args[0], connection[0]) if connection else None
        if isinstance(call.func, ast.Attribute) and call.func.attr in _RUNS:
            return _Run(call, scope, call.args[0], call.func.value)
        return None

    def _statements(self, run: _Run) -> Iterator[Finding]:
        opened = _merged(self._connected(run.receiver, run.scope))
        module = run.scope.module
        for value in self._values.of(run.sql, run.scope):
            if not value.filled("").strip():
                if value.holes and (opened is not None or self._is_connection(run.receiver, module)):
                    yield self._dynamic(run, opened)
                continue
            self._covered.update(id(piece.node) for piece in value.pieces)
            yield from self._judged(value, opened, module, run.sql)

    def _dynamic(self, run: _Run, opened: Opened | None) -> Finding:
        judged = Judged(
            kind=Kind.STATEMENT,
            databases=opened.databases if opened is not None else (),
            verdict=Verdict.UNKNOWN,
            why="the statement is computed while the program runs",
        )
        return _at(run.scope.module, run.sql, spelled(run.sql), judged)

    @staticmethod
    def _is_connection(receiver: ast.expr, module: Module) -> bool:
        """Return whether *receiver* is called like a connection, in a module that imports a library for databases."""
        name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
        called = any(word in name.lower() for word in _CONNECTION_WORDS) or name == "c"
        return called and any(dotted.partition(".")[0] in _LIBRARIES for dotted in module.imports.values())

    def _judged(
        self, value: Value, opened: Opened | None, module: Module, node: ast.expr, *, served: bool = True
    ) -> Iterator[Finding]:
        known = opened.databases if opened is not None else ()
        target = opened.target if opened is not None else ""
        for statement, found in sql_text.statements(value, known, target):
            if found.kind is named_columns.Kind.OTHER and found.detail.startswith("CREATE TABLE "):
                self._temporary.add((module.shown, found.detail.rpartition(" ")[2]))
            for judged in verdicts.of_statement(found, opened, self._near.get(module.name, ()), served=served):
                if value.holes:
                    why = f"{judged.why}; part of it is computed while the program runs: {', '.join(value.holes)}"
                    judged = replace(judged, why=why)  # noqa: PLW2901 - the same verdict
                named = sql_text.named(judged, statement.text)
                at = None if judged.offset is None else statement.start + judged.offset
                yield self._placed(value, statement, at, module, node, named, judged)

    def _placed(
        self,
        value: Value,
        statement: sql_text.Part,
        at: int | None,
        module: Module,
        node: ast.expr,
        named: str,
        judged: Judged,
    ) -> Finding:
        """Return the finding at the place in the file where the statement names the table."""
        offset, word = (at, judged.table) if at is not None else (statement.start, "")
        for piece in value.pieces:
            length = len(statement.filler) if piece.hole else len(piece.text)
            if offset < length and id(piece.node) in self._owner:
                owner = self._owner[id(piece.node)]
                line, column = _find(owner, piece.node, piece.text[:offset].count("\n"), word)
                return _finding(owner, line, column, named, judged)
            offset -= length
        return _at(module, node, named, judged)

    # What no call is seen to use

    def _string(self, node: ast.expr, scope: Scope) -> Iterator[Finding]:
        values = self._values.of(node, scope)
        if all(id(piece.node) in self._covered for value in values for piece in value.pieces):
            return
        for value in values:
            if sql_text.looks_like_sql(value.filled("")):
                yield from self._judged(value, None, scope.module, node)
            elif place := _place(value):
                databases = legacy_set.databases_at(place)
                if databases and not any(space in value.text for space in "\n\t"):
                    yield _at(scope.module, node, value.text, _path(databases))

    def _program(self, call: ast.Call, scope: Scope) -> Iterator[Finding]:
        """Yield what a program that is started gets of the legacy set."""
        name = self._values.dotted(call.func, scope)
        if not name.startswith(_PROGRAMS) or not call.args:
            return
        first = call.args[0]
        parts = first.elts if isinstance(first, ast.List | ast.Tuple) else call.args
        values = [value for part in parts for value in self._values.of(part, scope)]
        command = " ".join(value.text for value in values)
        shell = "sqlite3" in {word.rpartition("/")[2] for word in command.split()}
        databases = tuple(
            dict.fromkeys(database for word in command.split() for database in sql_text.databases_in(word))
        )
        if not databases:
            return
        for value in values:
            self._covered.update(id(piece.node) for piece in value.pieces)
        yield _at(scope.module, call.func, command, sql_text.of_program(databases, by_shell=shell))
        if shell:
            opened = Opened(api=Api.UNSEEN, databases=databases)
            for value in values:
                if sql_text.looks_like_sql(value.filled("")):
                    yield from self._judged(value, opened, scope.module, call, served=False)

    def _models(self, module: Module) -> Iterator[Finding]:
        """Yield the tables that classes of an object-relational mapper stand for."""
        for owner in module.classes.values():
            for node in ast.walk(owner):
                name = _model_table(node)
                if name is None or name.value not in legacy_set.tables():
                    continue
                self._covered.add(id(name))
                columns = tuple(
                    target.id
                    for statement in owner.body
                    if isinstance(statement, ast.Assign | ast.AnnAssign)
                    for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
                    if isinstance(target, ast.Name) and target.id in legacy_set.tables()[str(name.value)]
                )
                opened = Opened(api=Api.LIBRARY, called="its library")
                made = sql_text.table_named(str(name.value), columns)
                for judged in verdicts.of_statement(made, opened, self._near.get(module.name, ())):
                    yield _at(module, name, f"{owner.name}: {judged.table}", judged)


def _model_table(node: ast.AST) -> ast.Constant | None:
    """Return the constant that names the table of a mapped class, if *node* gives it."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
        return None
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    return node.value if names & {"__tablename__", "table_name", "db_table"} else None


def _can_be_alias(func: ast.expr, scope: Scope) -> bool:
    """Return whether *func* is a variable, which can stand for a function that opens a database."""
    if isinstance(func, ast.Attribute):
        return isinstance(func.value, ast.Name) and func.value.id in {"self", "cls"}
    module = scope.module
    if not isinstance(func, ast.Name) or func.id in module.functions or func.id in module.classes:
        return False
    return func.id not in module.imports and "sqlite3" in {name.partition(".")[0] for name in module.imports.values()}


def _results(function: Function) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield node.value


class _Around(NamedTuple):
    """What is around a node: its scope, the class directly around it, and whether it is part of a string."""

    scope: Scope
    owner: ast.ClassDef | None
    in_string: bool


class _Code:
    """What of the modules is looked at: every call, every string that is no part of another one, every definition."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.strings: list[tuple[ast.expr, Scope]] = []
        self.defined: list[str] = []

    def collect(self, module: Module) -> None:
        """Collect from *module*, and enter each of its functions; docstrings are left out."""
        waiting: list[tuple[ast.AST, _Around]] = [(module.tree, _Around(module.top, None, in_string=False))]
        while waiting:
            node, around = waiting.pop()
            for child in ast.iter_child_nodes(node):
                # Most nodes are names and operators: a type is compared at once.
                kind = type(child)
                if kind in _NOTHING:
                    continue
                if kind in _EXPRESSIONS:
                    is_string = self._expression(child, around.scope, in_string=around.in_string)
                    waiting.append((child, around._replace(in_string=True) if is_string else around))
                elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                    waiting.append((child, self._statement(child, module, around)))

    def _statement(self, node: ast.AST, module: Module, around: _Around) -> _Around:
        """Remember what *node* defines or imports; return what is around the nodes below it."""
        if isinstance(node, Function):
            self.defined.append(node.name)
            return _Around(module.enter(node, around.scope, around.owner), None, around.in_string)
        if isinstance(node, ast.ClassDef):
            self.defined.append(node.name)
            module.classes[node.name] = node
            return around._replace(owner=node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            module.bring_in(node)
        return around

    def _expression(self, node: ast.AST, scope: Scope, *, in_string: bool) -> bool:
        """Collect *node* if it is a call or a whole string; return whether it is a string."""
        if isinstance(node, ast.Call):
            self.calls.append(Call(node, scope))
        if in_string or not isinstance(node, ast.expr) or not _is_string(node):
            return False
        self.strings.append((node, scope))
        return True


#: Nodes below which nothing is looked for.
_NOTHING = frozenset(
    {ast.Name, ast.Load, ast.Store, ast.Del, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal}
)
#: Nodes that can be a call or a string.
_EXPRESSIONS = frozenset({ast.Call, ast.Constant, ast.JoinedStr, ast.BinOp})


def _is_string(node: ast.AST) -> bool:
    """Return whether *node* is a string, or makes one of a string by ``+``, ``%``, ``/``, ``format`` or ``join``."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Mod | ast.Div):
            waiting += [part.left, part.right]
        elif (
            isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in {"format", "join"}
        ):
            waiting.append(part.func.value)
        elif isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str)):
            return True
    return False


def _place(value: Value) -> str:
    """Return the path in *value*, without the scheme and the query of a URL; '' if its last part cannot be seen."""
    text = value.filled(verdicts.HOLE) or ":memory:"
    if text.startswith("sqlite") and "://" in text:
        text = text.partition("://")[2].removeprefix("/") or ":memory:"
    if text.startswith("file:"):
        text = unquote(text.removeprefix("file:"))
    path, _, query = text.partition("?")
    if "mode=memory" in query:
        return ":memory:"
    last = path.replace("\\", "/").rpartition("/")[2]
    return "" if verdicts.HOLE in last else path.replace(verdicts.HOLE, "{}")


def _named_path(places: list[str], databases: tuple[str, ...]) -> str:
    """Return the path that a finding names: of a legacy database if one is; '' if one of *places* cannot be seen."""
    legacy = next((place for place in places if databases and legacy_set.databases_at(place)), "")
    return legacy or (places[0] if places and all(places) else "")


def _path(databases: tuple[str, ...]) -> Judged:
    stays = all(map(legacy_set.is_standalone, databases))
    return Judged(
        kind=Kind.PATH,
        databases=databases,
        verdict=Verdict.WORKS if stays else Verdict.UNKNOWN,
        why="the file stays as it is" if stays else "no call that opens this name was found",
    )


def _merged(opened: list[Opened]) -> Opened | None:
    """Return one connection for those that an expression can stand for."""
    if len(opened) < 2:
        return opened[0] if opened else None
    first = opened[0]
    return Opened(
        api=first.api,
        called=first.called,
        path=first.path,
        databases=tuple(dict.fromkeys(database for connection in opened for database in connection.databases)),
        target=first.target,
        consolidated=all(connection.consolidated for connection in opened),
    )


def _unique(opened: Iterable[Opened]) -> list[Opened]:
    return list(dict.fromkeys(opened))


def _at(module: Module, node: ast.expr, named: str, judged: Judged) -> Finding:
    return _finding(module, node.lineno, node.col_offset + 1, named, judged)


def _finding(module: Module, line: int, column: int, named: str, judged: Judged) -> Finding:
    return Finding(
        file=module.shown,
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


def _find(module: Module, node: ast.expr, below: int, word: str) -> tuple[int, int]:
    """Return line and column of *word* in the source of *node*, *below* lines down if it is there, else its start."""
    first, last = node.lineno, node.end_lineno or node.lineno
    for line in (*range(first + below, last + 1), *range(first, last + 1)):
        text = module.lines[line - 1] if line <= len(module.lines) else ""
        column = sql_text.find_word(text, word, node.col_offset if line == first else 0) if word else -1
        if column >= 0:
            return line, column + 1
    return first, node.col_offset + 1
