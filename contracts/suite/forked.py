"""Judges in several processes, forked after all contracts are collected and the sets are copied.

A worker of xdist would start, collect and copy again.  The contracts stay ordinary tests: each process takes one group of
them after the other, and the main process reports their results.  Hooks around ``pytest_runtest_protocol`` are not called.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import pytest
from _pytest.runner import runtestprotocol

#: Size of a group's number in the pipe from which the processes take their work [bytes].
_TICKET = 4
#: Stages whose contracts share one inventory of the legacy set.
_LEGACY_SIDE = ("1_inventory", "2_plan", "3_backup")


def groups(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """Return *items* in groups, each for one process: contracts of a group share what they read."""
    by_group: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        by_group[_group(item)].append(item)
    return list(by_group.values())


def _group(item: pytest.Item) -> str:
    if item.path.parent.name in _LEGACY_SIDE:
        return _LEGACY_SIDE[0]
    values = getattr(getattr(item, "callspec", None), "params", {})
    return f"{values['target']}.{values['table']}" if {"target", "table"} <= values.keys() else str(item.path)


def judge(session: pytest.Session, processes: int) -> None:
    """Run the items of *session* in parallel *processes*, and report their results here.

    Raises:
        RuntimeError: A process ended before its contracts did.
    """
    work = groups(session.items)
    tickets, written = os.pipe()
    # A pipe holds 64 KiB: the numbers of all groups fit, and each process takes the next one.
    os.write(written, b"".join(number.to_bytes(_TICKET, "big") for number in range(len(work))))
    os.close(written)
    fork = multiprocessing.get_context("fork")
    running: dict[Connection, Any] = {}
    try:
        for _ in range(processes):
            here, there = fork.Pipe(duplex=False)
            process = fork.Process(target=_judge, args=(session.config, work, tickets, there))
            process.start()
            there.close()
            running[here] = process
        _report(session, {item.nodeid: item for item in session.items}, running)
    finally:
        os.close(tickets)
        for process in running.values():
            process.kill()
            process.join()


def _judge(config: pytest.Config, work: Sequence[Sequence[pytest.Item]], tickets: int, reports: Connection) -> None:
    """Judge the groups whose numbers this process reads from *tickets*, and send the reports of each item."""
    while ticket := os.read(tickets, _TICKET):
        group = work[int.from_bytes(ticket, "big")]
        for item, following in zip(group, [*group[1:], None], strict=True):
            phases = runtestprotocol(item, log=False, nextitem=following)
            sent = [config.hook.pytest_report_to_serializable(config=config, report=report) for report in phases]
            reports.send((item.nodeid, sent))
    reports.send(None)
    reports.close()


def _report(session: pytest.Session, items: dict[str, pytest.Item], running: dict[Connection, Any]) -> None:
    """Report the results that the processes send, until each has sent its last, or the run has to stop."""
    config, open_ends = session.config, set(running)
    while open_ends:
        for end in cast("list[Connection]", wait(list(open_ends))):
            try:
                received: tuple[str, list[dict[str, Any]]] | None = end.recv()
            except EOFError as error:
                raise RuntimeError("a process that judges contracts ended before they did") from error
            if received is None:
                open_ends.remove(end)
                continue
            nodeid, phases = received
            item = items[nodeid]
            # Without pytest_runtest_logstart, which would print the file's path before each result from another process.
            for phase in phases:
                report = config.hook.pytest_report_from_serializable(config=config, data=phase)
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=nodeid, location=item.location)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
