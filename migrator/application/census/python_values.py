"""Computes the strings and paths that a Python expression can give, without running it."""

from __future__ import annotations

import ast
import itertools
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from migrator.application.census.python_code import Function, Module, Scope, spelled

#: Limits for one expression: values that are followed, nodes that are computed, and how deep they are nested.
MOST_VALUES, MOST_STEPS, DEEPEST = 8, 200, 60

_SAME = frozenset(
    {"str", "os.fspath", "os.path.abspath", "os.path.expanduser", "os.path.expandvars", "os.path.realpath"}
    | {"os.path.normpath", "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"}
    | {"textwrap.dedent", "inspect.cleandoc", "sqlalchemy.text", "sqlalchemy.sql.text", "contextlib.closing"}
    | {"asyncio.wait_for", "sqlalchemy.engine.make_url", "sqlalchemy.make_url"}
)
_SAME_METHODS = frozenset(
    {"resolve", "absolute", "expanduser", "as_posix", "strip", "rstrip", "lstrip", "as_uri", "__str__"}
)
_ENVIRONMENT = frozenset({"os.environ.get", "os.getenv", "environ.get", "os.environ.setdefault"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a string: text with the node that spells it, or a hole with the expression that fills it."""

    text: str
    node: ast.expr
    hole: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A string that an expression can give, in pieces."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The string with ``{expression}`` for each hole."""
        return "".join(f"{{{piece.hole}}}" if piece.hole else piece.text for piece in self.pieces)

    @property
    def holes(self) -> tuple[str, ...]:
        """The expressions that fill the holes."""
        return tuple(piece.hole for piece in self.pieces if piece.hole)

    def filled(self, filler: str) -> str:
        """Return the string with *filler* for each hole."""
        return "".join(filler if piece.hole else piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function of the code base, with the scope in which its arguments are computed."""

    node: ast.Call
    scope: Scope


class Project:
    """All modules of a code base, to find what an import means and which calls give a parameter its value."""

    def __init__(self, modules: Iterable[Module], calls: Iterable[Call], defined: Iterable[str]) -> None:
        self.modules = {module.name: module for module in modules}
        self._by_end: dict[str, list[Module]] = {}
        for module in self.modules.values():
            self._by_end.setdefault(module.name.rpartition(".")[2], []).append(module)
        self._defined = Counter(defined)
        self._calls: dict[str, list[Call]] = {}
        for call in calls:
            self._calls.setdefault(_called(call.node), []).append(call)

    def module(self, dotted: str) -> Module | None:
        """Return the module that *dotted* names, whole or without the folders above the code base."""
        if dotted in self.modules:
            return self.modules[dotted]
        near = [
            module
            for module in self._by_end.get(dotted.rpartition(".")[2], ())
            if module.name.endswith(f".{dotted}") or dotted.endswith(f".{module.name}")
        ]
        return near[0] if len(near) == 1 else None

    def calls(self, function: str) -> list[Call]:
        """Return the calls of the function or class called *function*; none if several have the name."""
        return self._calls.get(function, []) if self._defined[function] == 1 else []


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


class Values:
    """Computes values in one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._steps = self._depth = 0
        self._entered: set[int] = set()
        self._by_kind: Mapping[type[ast.expr], Callable[[ast.expr, Scope], list[Value]]] = {
            ast.Constant: self._constant,
            ast.JoinedStr: self._joined,
            ast.BinOp: self._operation,
            ast.Call: self._call,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.IfExp: self._choice,
            ast.BoolOp: self._either,
            ast.Await: lambda node, scope: self._of(node.value, scope),  # type: ignore[attr-defined]  # an Await
            ast.NamedExpr: lambda node, scope: self._of(node.value, scope),  # type: ignore[attr-defined]  # a NamedExpr
        }

    def of(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return each string that *node* can give; a single hole if that cannot be seen."""
        self._steps = self._depth = 0
        self._entered.clear()
        return self._of(node, scope)

    def _of(self, node: ast.expr, scope: Scope) -> list[Value]:
        self._steps += 1
        compute = self._by_kind.get(type(node))
        if compute is None or self._steps > MOST_STEPS or self._depth >= DEEPEST:
            return [_hole(node)]
        self._depth += 1
        try:
            return self._limited(node, compute(node, scope))
        finally:
            self._depth -= 1

    @staticmethod
    def _limited(node: ast.expr, computed: list[Value]) -> list[Value]:
        """Return the *computed* values of *node*, each once; of too many some, and a hole for the others."""
        values = [value if value.pieces else Value((Piece("", node),)) for value in computed]
        unique = list(dict.fromkeys(values))
        return unique if 0 < len(unique) <= MOST_VALUES else [*unique[: MOST_VALUES - 1], _hole(node)]

    def _constant(self, node: ast.expr, scope: Scope) -> list[Value]:
        del scope
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return [Value((Piece(value, node),))] if isinstance(value, str) else [_hole(node)]

    def _joined(self, node: ast.expr, scope: Scope) -> list[Value]:
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        # The parts of an f-string have no places of their own in every Python: they are those of the whole.
        return _product(
            [
                [_placed(value, node) for value in self._of(part, scope)]
                if isinstance(part, ast.Constant)
                else self._of(part.value, scope)
                for part in parts
                if isinstance(part, ast.Constant | ast.FormattedValue)
            ]
        )

    def _operation(self, node: ast.expr, scope: Scope) -> list[Value]:
        if not isinstance(node, ast.BinOp):
            return []
        if isinstance(node.op, ast.Add):
            return _product([self._of(node.left, scope), self._of(node.right, scope)])
        if isinstance(node.op, ast.Div):
            return _paths([self._of(node.left, scope), self._of(node.right, scope)], node)
        if isinstance(node.op, ast.Mod):
            right = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            filled = iter([self._of(argument, scope) for argument in right])
            return [value for left in self._of(node.left, scope) for value in _percent(left, filled, node)]
        return []

    def _choice(self, node: ast.expr, scope: Scope) -> list[Value]:
        return [*self._of(node.body, scope), *self._of(node.orelse, scope)] if isinstance(node, ast.IfExp) else []

    def _either(self, node: ast.expr, scope: Scope) -> list[Value]:
        values = (
            [value for operand in node.values for value in self._of(operand, scope)]
            if isinstance(node, ast.BoolOp)
            else []
        )
        # Of ``os.environ.get(name) or default`` the default is what can be seen.
        return [value for value in values if any(not piece.hole for piece in value.pieces)] or values

    def _subscript(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return a member of a dict or list that is a constant."""
        if not isinstance(node, ast.Subscript):
            return []
        for inner, container in self.bound(node.value, scope):
            if isinstance(container, ast.Dict):
                keyed = zip(container.keys, container.values, strict=True)
                wanted = node.slice.value if isinstance(node.slice, ast.Constant) else None
                found = [
                    value
                    for key, value in keyed
                    if wanted is None or (isinstance(key, ast.Constant) and key.value == wanted)
                ]
                return [value for member in found for value in self._of(member, inner)]
        return []

    def _call(self, node: ast.expr, scope: Scope) -> list[Value]:
        if not isinstance(node, ast.Call):
            return []
        name = self.dotted(node.func, scope)
        if name in _SAME and node.args:
            return (
                _paths([self._of(argument, scope) for argument in node.args], node)
                if len(node.args) > 1
                else self._of(node.args[0], scope)
            )
        if name == "os.path.join":
            return _paths([self._of(argument, scope) for argument in node.args], node)
        if name in _ENVIRONMENT and len(node.args) > 1:
            return self._of(node.args[1], scope)
        if isinstance(node.func, ast.Attribute):
            found = self._method(node, node.func, scope)
            if found:
                return found
        return self._returned(node, scope)

    def _method(self, node: ast.Call, func: ast.Attribute, scope: Scope) -> list[Value]:
        if func.attr in _SAME_METHODS:
            return self._of(func.value, scope)
        if func.attr == "joinpath":
            return _paths([self._of(func.value, scope), *(self._of(argument, scope) for argument in node.args)], node)
        if func.attr in {"with_name", "with_suffix"} and node.args:
            return _renamed(self._of(func.value, scope), self._of(node.args[0], scope), func.attr)
        if func.attr == "join" and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
            between = self._of(func.value, scope)
            parts = [part for element in node.args[0].elts for part in (between, self._of(element, scope))]
            return _product(parts[1:])
        if func.attr == "format":
            return self._formatted(node, self._of(func.value, scope), scope)
        return []

    def _formatted(self, node: ast.Call, patterns: list[Value], scope: Scope) -> list[Value]:
        """Return each pattern with its fields filled, ``{}``, ``{0}`` and ``{name}`` alike."""
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        made: list[Value] = []
        for pattern in patterns:
            if pattern.holes:
                made.append(pattern)
                continue
            numbers = itertools.count()
            parts: list[list[Value]] = []
            try:
                fields = list(string.Formatter().parse(pattern.text))
            except ValueError:
                return [pattern]
            for text, name, _, _ in fields:
                parts.append([Value((Piece(text, pattern.pieces[0].node),))])
                if name is not None:
                    number = int(name) if name.isdigit() else next(numbers) if not name else None
                    given = named.get(name) if number is None else next(iter(node.args[number : number + 1]), None)
                    parts.append([_hole(node)] if given is None else self._of(given, scope))
            made += _product(parts)
        return made

    def _returned(self, node: ast.Call, scope: Scope) -> list[Value]:
        """Return what a function of the code base returns."""
        found = []
        for function, inner in self.functions(node.func, scope):
            if id(function) not in self._entered:
                self._entered.add(id(function))
                found += [
                    value
                    for statement in ast.walk(function)
                    if isinstance(statement, ast.Return) and statement.value is not None
                    for value in self._of(statement.value, inner)
                ]
        return found

    def _name(self, node: ast.expr, scope: Scope) -> list[Value]:
        return self._extended(node, scope, self._followed(node, scope))

    def _extended(self, node: ast.expr, scope: Scope, found: list[Value]) -> list[Value]:
        """Return *found* with what ``name += text`` adds: each addition may be made or not."""
        if isinstance(node, ast.Name):
            bindings = scope.module.bindings(scope.node).get(node.id, [])
            for line, adds, value in bindings:
                if adds and line <= node.lineno:
                    found = [*found, *_product([found, self._of(value, scope)])][: MOST_VALUES * 2]
            return found[-MOST_VALUES:]
        return found

    def _attribute(self, node: ast.expr, scope: Scope) -> list[Value]:
        if not isinstance(node, ast.Attribute):
            return []
        found = self._followed(node, scope)
        if found or node.attr not in {"parent", "name"}:
            return found
        return [_part(value, node.attr, node) for value in self._of(node.value, scope)]

    def _followed(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return the values of what a name or an attribute stands for; none if it leads back to itself."""
        if id(node) in self._entered:
            return []
        self._entered.add(id(node))
        try:
            return [value for inner, bound in self.bound(node, scope) for value in self._of(bound, inner)]
        finally:
            self._entered.discard(id(node))

    def bound(self, node: ast.expr, scope: Scope) -> Iterator[tuple[Scope, ast.expr]]:
        """Yield each expression that *node*, a name or an attribute, stands for, with the scope in which it is computed."""
        if isinstance(node, ast.Name):
            yield from self._bound_name(node.id, node.lineno, scope)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"} and scope.owner is not None:
                yield from self._bound_member(scope.module, scope.owner, node.attr)
            elif isinstance(node.value, ast.Name) and node.value.id in scope.module.classes:
                yield from self._bound_member(scope.module, scope.module.classes[node.value.id], node.attr)
            else:
                yield from self._bound_import(self.dotted(node, scope))

    def _bound_name(self, name: str, line: int, scope: Scope) -> Iterator[tuple[Scope, ast.expr]]:
        inside: Scope | None = scope
        while inside is not None:
            values = [(at, value) for at, adds, value in inside.module.bindings(inside.node).get(name, []) if not adds]
            if values:
                before = [value for at, value in values if inside is not scope or at <= line]
                yield from ((inside, value) for value in _last(before or [value for _, value in values], inside))
                return
            if isinstance(inside.node, Function) and name in _parameters(inside.node):
                yield from self._given(inside.node, name, inside)
                return
            inside = inside.outside
        yield from self._bound_import(scope.module.imports.get(name, ""))

    @staticmethod
    def _bound_member(module: Module, owner: ast.ClassDef, name: str) -> Iterator[tuple[Scope, ast.expr]]:
        for base_class in module.lineage(owner):
            found = module.attributes.get(f"{base_class.name}.{name}", [])
            if found:
                yield from ((scope, value) for scope, (_, adds, value) in found if not adds)
                return

    def _bound_import(self, dotted: str) -> Iterator[tuple[Scope, ast.expr]]:
        """Yield the values of a constant of another module: ``config.DB_PATH`` or ``settings.Settings.DB``."""
        base, _, name = dotted.rpartition(".")
        module = self._project.module(base) if base else None
        if module is not None:
            values = module.bindings(module.tree).get(name, [])
            yield from ((module.top, value) for _, adds, value in values if not adds)
            return
        outer, _, owner = base.rpartition(".")
        module = self._project.module(outer) if outer else None
        if module is not None and owner in module.classes:
            yield from self._bound_member(module, module.classes[owner], name)

    def _given(self, function: Function, name: str, scope: Scope) -> Iterator[tuple[Scope, ast.expr]]:
        """Yield what a parameter can hold: its default, and the arguments of the calls of its function."""
        default = _defaults(function).get(name)
        if default is not None and not (isinstance(default, ast.Constant) and default.value is None):
            yield scope.outside or scope, default
        owner = scope.owner
        is_method = owner is not None and function in owner.body
        called = owner.name if is_method and owner is not None and function.name == "__init__" else function.name
        parameters = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        position = parameters.index(name) - (1 if is_method else 0) if name in parameters else -1
        for call in self._project.calls(called):
            for keyword in call.node.keywords:
                if keyword.arg == name:
                    yield call.scope, keyword.value
            if 0 <= position < len(call.node.args):
                yield call.scope, call.node.args[position]

    def functions(self, node: ast.expr, scope: Scope) -> list[tuple[Function, Scope]]:
        """Return the function of the code base that *node* names, with its scope."""
        module, found = scope.module, None
        if isinstance(node, ast.Name) and node.id in module.functions:
            found = module.functions[node.id]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in {"self", "cls"}
            and scope.owner is not None
        ):
            found = module.method(scope.owner, node.attr)
        else:
            base, _, name = self.dotted(node, scope).rpartition(".")
            other = self._project.module(base) if base else None
            if other is not None:
                module, found = other, other.functions.get(name)
        return [] if found is None else [(found, module.scopes[found])]

    @staticmethod
    def dotted(node: ast.expr, scope: Scope) -> str:
        """Return the dotted name that *node* stands for by the imports of its module; '' if it is no name."""
        names = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([scope.module.imports.get(node.id, node.id), *reversed(names)])


def _last(values: list[ast.expr], scope: Scope) -> list[ast.expr]:
    """Return the last of *values* if its statement always runs, else all."""
    direct = {id(statement.value) for statement in scope.node.body if isinstance(statement, ast.Assign | ast.AnnAssign)}
    for position in range(len(values) - 1, -1, -1):
        if id(values[position]) in direct:
            return values[position:]
    return values


def _parameters(function: Function) -> set[str]:
    arguments = function.args
    return {parameter.arg for parameter in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def _defaults(function: Function) -> dict[str, ast.expr]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    found = dict(
        zip(
            [parameter.arg for parameter in positional[len(positional) - len(arguments.defaults) :]],
            arguments.defaults,
            strict=True,
        )
    )
    keyed = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {parameter.arg: default for parameter, default in keyed if default is not None}


def _hole(node: ast.expr) -> Value:
    return Value((Piece("", node, spelled(node)),))


def _placed(value: Value, node: ast.expr) -> Value:
    return Value(tuple(Piece(piece.text, node, piece.hole) for piece in value.pieces))


def _product(parts: list[list[Value]]) -> list[Value]:
    """Return each way to join one value of each part."""
    # One more than is followed, so that what is left out is seen to be left out.
    joined = itertools.islice(itertools.product(*parts), MOST_VALUES + 1)
    return [Value(tuple(piece for value in values for piece in value.pieces)) for values in joined]


def _paths(parts: list[list[Value]], node: ast.expr) -> list[Value]:
    slash = [Value((Piece("/", node),))]
    return _product([part for values in parts for part in (slash, values)][1:])


def _percent(pattern: Value, filled: Iterator[list[Value]], node: ast.expr) -> list[Value]:
    """Return *pattern* with each ``%s`` and ``%d`` filled in turn."""
    parts: list[list[Value]] = []
    for piece in pattern.pieces:
        first, *rest = piece.text.replace("%d", "%s").split("%s")
        parts.append([Value((Piece(first, piece.node, piece.hole),))])
        for text in rest:
            parts += [next(filled, [_hole(node)]), [Value((Piece(text, piece.node),))]]
    return _product(parts)


def _renamed(paths: list[Value], names: list[Value], method: str) -> list[Value]:
    """Return each path with another last part, or with another suffix."""
    made = []
    for path, name in itertools.product(paths, names):
        last = path.pieces[-1]
        dot = last.text.rfind(".") if method == "with_suffix" and "." in last.text.rpartition("/")[2] else None
        stem = last.text[:dot] if method == "with_suffix" else last.text.rpartition("/")[0]
        between = "/" if method == "with_name" and stem else ""
        made.append(Value((*path.pieces[:-1], Piece(f"{stem}{between}", last.node, last.hole), *name.pieces)))
    return made


def _part(path: Value, attribute: str, node: ast.expr) -> Value:
    """Return the parent or the name of a path."""
    if path.holes:
        return _hole(node)
    folder, _, name = path.text.rpartition("/")
    return Value((Piece(folder if attribute == "parent" else name, path.pieces[0].node),))
