"""A Python module as the census reads it: imports, constants, functions and classes, and who calls whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: A name bound to a value: the line of the statement, whether it adds to the old value, and the value.
Binding = tuple[int, bool, ast.expr]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scope:
    """Where a name is looked up: a function or the module, the class around it, and the scope outside.

    Attributes:
        module: The module.
        node: The function, or the module's tree.
        owner: The class whose method it is; None elsewhere.
        outside: The scope around it; None for the module.
    """

    module: Module
    node: ast.Module | Function
    owner: ast.ClassDef | None
    outside: Scope | None


@dataclass(eq=False)
class Module:
    """One Python file; scopes, imports and classes are there once all its nodes have been seen.

    Attributes:
        name: Its dotted name, as far as its path shows it.
        shown: Its path for a reader.
        tree: Its syntax tree.
        lines: Its text by lines.
        scopes: The scope of each function.
        imports: Each imported name -> the dotted name that it stands for.
        classes: The classes by name.
    """

    name: str
    shown: str
    tree: ast.Module
    lines: list[str]
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    _bindings: dict[ast.AST, dict[str, list[Binding]]] = field(default_factory=dict)

    @cached_property
    def top(self) -> Scope:
        """The scope of the module."""
        return Scope(module=self, node=self.tree, owner=None, outside=None)

    def bring_in(self, node: ast.Import | ast.ImportFrom) -> None:
        """Remember what an import calls what."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                self.imports[alias.asname or first] = alias.name if alias.asname else first
            return
        base = self._base(node)
        for alias in node.names:
            self.imports[alias.asname or alias.name] = f"{base}.{alias.name}" if base else alias.name

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions of the module by name, methods left out."""
        return {node.name: node for node in self.tree.body if isinstance(node, Function)}

    def lineage(self, owner: ast.ClassDef) -> list[ast.ClassDef]:
        """Return a class and the classes of this module that it derives from, each once."""
        found: list[ast.ClassDef] = []
        waiting = [owner]
        while waiting:
            base_class = waiting.pop(0)
            if base_class not in found:
                found.append(base_class)
                names = [base.id for base in base_class.bases if isinstance(base, ast.Name)]
                waiting += [self.classes[name] for name in names if name in self.classes]
        return found

    def method(self, owner: ast.ClassDef, name: str) -> Function | None:
        """Return a method of a class, or of a class of this module that it derives from."""
        return next(
            (
                node
                for base_class in self.lineage(owner)
                for node in base_class.body
                if isinstance(node, Function) and node.name == name
            ),
            None,
        )

    def enter(self, function: Function, outside: Scope, owner: ast.ClassDef | None) -> Scope:
        """Return the scope of *function*, which lies in *outside*, and remember it; *owner* is the class directly around it."""
        inner = Scope(module=self, node=function, owner=owner or outside.owner, outside=outside)
        self.scopes[function] = inner
        return inner

    def bindings(self, node: ast.Module | Function) -> dict[str, list[Binding]]:
        """Return the names that a function, or the module itself, binds, in the order of the lines."""
        if node not in self._bindings:
            found: dict[str, list[Binding]] = {}
            for statement in _own_nodes(node):
                for name, binding in _bound(statement):
                    found.setdefault(name, []).append(binding)
            self._bindings[node] = {name: sorted(all_, key=lambda binding: binding[0]) for name, all_ in found.items()}
        return self._bindings[node]

    @cached_property
    def attributes(self) -> dict[str, list[tuple[Scope, Binding]]]:
        """Each attribute of ``self``, or of a class body -> its values, with the scope in which each is computed."""
        found: dict[str, list[tuple[Scope, Binding]]] = {}
        for owner in self.classes.values():
            for member in owner.body:
                for name, binding in _bound(member):
                    found.setdefault(f"{owner.name}.{name}", []).append((self.top, binding))
            for node in ast.walk(owner):
                if isinstance(node, Function):
                    scope = self.scopes[node]
                    for inner in _own_nodes(node):
                        for name, binding in _bound(inner):
                            if name.startswith(("self.", "cls.")):
                                key = f"{owner.name}.{name.partition('.')[2]}"
                                found.setdefault(key, []).append((scope, binding))
        return found


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function or module that belong to no function or class inside it."""
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        child = waiting.pop()
        if not isinstance(child, Function | ast.Lambda | ast.ClassDef):
            yield child
            waiting += ast.iter_child_nodes(child)


def spelled(node: ast.expr) -> str:
    """Return *node* as code on one line; a name for it if it is nested too deep to be written."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "an expression"


def _bound(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    """Yield the names that one statement binds."""
    for target, adds, value in _bindings(node):
        if name := _target(target):
            yield name, (target.lineno, adds, value)


def _bindings(node: ast.AST) -> list[tuple[ast.expr, bool, ast.expr]]:
    """Return each target that one statement binds, whether it adds to it, and the value."""
    if isinstance(node, ast.Assign):
        return [(target, False, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        return [(node.target, False, node.value)]
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        return [(node.target, True, node.value)]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [(item.optional_vars, False, item.context_expr) for item in node.items if item.optional_vars is not None]
    if isinstance(node, ast.For | ast.AsyncFor) and isinstance(node.iter, ast.List | ast.Tuple | ast.Set):
        return [(node.target, False, element) for element in node.iter.elts]
    return []


def _target(node: ast.expr) -> str:
    """Return the name that *node* binds: ``path`` or ``self.path``; '' for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
        return f"{node.value.id}.{node.attr}"
    return ""
