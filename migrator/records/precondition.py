"""Preconditions: what has to be true before a command changes anything.

A condition is a function that reads its case and yields one sentence for each reason against the command.  Each scope has
one table of them: ``PLAN`` in :mod:`migrator.stages.plan.preconditions`, ``CUTOVER`` in
:mod:`migrator.pipeline.preconditions` and ``ROLLBACK`` in :mod:`migrator.switch.preconditions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def unmet(conditions: Iterable[Callable[[Case], Iterable[str]]], case: Case) -> tuple[str, ...]:
    """Return the reasons against *case*, in the order of *conditions*, each once; empty if every condition holds."""
    return tuple(dict.fromkeys(reason for condition in conditions for reason in condition(case)))
