"""Runs one verb for every install of a fleet, on the workers of a Dask cluster: Dask schedules, retries and notices dead workers.

A worker runs each install in a process of its own (:mod:`migrator.pipeline.fleet_process`), so that installs share neither
memory nor the lock, and the process ends with its worker.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migrator.errors import MigratorError, UsageError
from migrator.records.fleet import Ending, Fleet, Install, Outcome
from migrator.records.observer import Observer
from migrator.system import installation, serialize, worker_process
from migrator.system.escaping import escaped

if TYPE_CHECKING:
    from distributed import Client, Future

#: The verbs: none of them switches a set.
VERBS = ("inventory", "plan", "rehearse", "migrate", "verify", "status")
#: Time between two looks at the workers, and for which an install waits for a worker that can do it [s].
_TICK_S, _WORKERLESS_S = 0.2, 60.0
#: Time in which a scheduler has to answer [s].
_PATIENCE_S = 30.0


class Failed(Exception):
    """The verb failed for a reason that may pass: Dask tries it again.

    Attributes:
        outcome: The outcome, as plain values.
    """

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        super().__init__(outcome)


def run(
    verb: str,
    installs: Sequence[Install],
    *,
    scheduler: str = "",
    retries: int = 0,
    limit: int = 0,
    observer: Observer | None = None,
) -> Fleet:
    """Run *verb* for each of *installs*, and return what became of each.

    Args:
        verb: One of :data:`VERBS`.
        installs: The installs.
        scheduler: The address of a running Dask scheduler; '' for a cluster in this machine, with a worker for each processor.
        retries: How often a failed run is repeated; a verdict and a refusal are final.
        limit: The most installs at a time; 0 for as many as there are workers.
        observer: Receives each install that is done.

    Raises:
        UsageError: The extra ``fleet`` is not installed, or an install names a worker and there is no *scheduler*.
        MigratorError: The scheduler cannot be reached.
    """
    begun = time.monotonic()
    watching = observer or Observer()
    if not scheduler and (named := next((install for install in installs if install.worker), None)):
        raise UsageError(
            f"{named.name} needs the worker {named.worker}, and this machine's own cluster has no named workers",
            where="migrator fleet",
            hint="name the scheduler of that worker: --scheduler tcp://HOST:PORT",
        )
    with _client(scheduler, len(installs)) as client:
        done = {}
        for outcome in _outcomes(client, verb, installs, retries=retries, limit=limit):
            done[outcome.name] = outcome
            watching.progress(outcome.name, outcome.rows or 0, outcome.seconds)
    return Fleet(
        verb=verb, outcomes=tuple(done[install.name] for install in installs), seconds=time.monotonic() - begun
    )


@contextmanager
def _client(scheduler: str, most: int) -> Iterator[Client]:
    try:
        # The extra is not needed for one install; and it takes half a second to import.
        from distributed import Client  # noqa: PLC0415
    except ImportError as error:
        hint = f"run: {installation.extra_command('fleet')}"
        raise UsageError("Dask is not installed", where="migrator fleet", hint=hint) from error
    with contextlib.ExitStack() as stack:
        address = scheduler or stack.enter_context(_own_cluster(most))
        try:
            client = Client(address, set_as_default=False, timeout=_PATIENCE_S)
        except OSError as error:
            hint = "start it: dask scheduler, and a dask worker on each machine"
            raise MigratorError(f"no scheduler answers: {error}", where=scheduler, hint=hint) from error
        yield stack.enter_context(client)


@contextmanager
def _own_cluster(most: int) -> Iterator[object]:
    """Yield a cluster within this process: no other user of this machine can send it work, or see it."""
    import dask  # noqa: PLC0415 - as above
    from distributed import LocalCluster  # noqa: PLC0415 - as above

    workers = min(worker_process.processors(), most)
    # Its HTTP server cannot be left out: it has no pages, and a free port of this machine's own network.
    quiet: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(quiet), LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        yield cluster


def _outcomes(client: Client, verb: str, installs: Sequence[Install], *, retries: int, limit: int) -> Iterator[Outcome]:
    """Yield the outcome of each install as it comes in; cancel what is left if the caller gives up."""
    waiting = list(installs)
    running: dict[Future, Install] = {}
    lonely: dict[str, float] = {}
    try:
        while waiting or running:
            while waiting and (not limit or len(running) < limit):
                install = waiting.pop(0)
                running[_submit(client, verb, install, retries)] = install
            time.sleep(_TICK_S)
            for future in [future for future in running if future.done()]:
                yield _result(future, running.pop(future))
            now = time.monotonic()
            workers = client.scheduler_info(n_workers=-1)["workers"]
            for future, install in list(running.items()):
                if _has_a_worker(workers, install):
                    lonely.pop(install.name, None)
                elif now - lonely.setdefault(install.name, now) > _WORKERLESS_S:
                    future.cancel()
                    del running[future]
                    yield _lost(install, f"no worker has offered {install.worker or 'to work'} for {_WORKERLESS_S:g} s")
    finally:
        client.cancel(list(running))


def _submit(client: Client, verb: str, install: Install, retries: int) -> Future:
    by_address = "://" in install.worker
    return client.submit(
        work,
        verb,
        serialize.plain(install),
        # A scheduler that others use may know the name already: with their key we would get their outcome.
        key=f"migrator-{verb}-{install.name}-{uuid.uuid4().hex}",
        pure=False,
        retries=retries,
        workers=[install.worker] if by_address else None,
        resources={install.worker: 1} if install.worker and not by_address else None,
    )


def _has_a_worker(workers: Mapping[str, Mapping[str, Any]], install: Install) -> bool:
    """Return whether one of the scheduler's *workers* can do *install*."""
    if not install.worker:
        return bool(workers)
    return install.worker in workers or any(install.worker in worker["resources"] for worker in workers.values())


def _result(future: Future, install: Install) -> Outcome:
    """Return the outcome that *future* holds."""
    if future.status == "finished":
        outcome: Outcome = serialize.record(future.result(), Outcome)
        return outcome
    error = future.exception() if future.status == "error" else None
    if isinstance(error, Failed):
        failed: Outcome = serialize.record(error.outcome, Outcome)
        return failed
    return _lost(install, escaped(f"{type(error).__name__}: {error}" if error else future.status))


def _lost(install: Install, says: str) -> Outcome:
    return Outcome(
        name=install.name,
        data_dir=install.data_dir,
        ending=Ending.LOST,
        says=says,
        next="run the fleet again: it goes on with what is not done",
    )


def work(verb: str, install: object) -> object:
    """Do *verb* for *install* on a worker: both, and the outcome, are plain values.

    Raises:
        Failed: The verb failed for a reason that may pass.
    """
    from distributed import Status, get_worker  # noqa: PLC0415 - as above

    worker = get_worker()
    # Leaving the block closes the pipes, and waits.
    with worker_process.start("migrator.pipeline.fleet_process") as process:
        requests, answers = worker_process.pipes(process)
        with contextlib.suppress(BrokenPipeError):
            requests.write((json.dumps([verb, install]) + "\n").encode())
            requests.flush()
        while not select.select([answers], [], [], _TICK_S)[0]:
            if worker.status is not Status.running:
                # The fleet is cancelled: without its input the process ends as after Ctrl-C.
                requests.close()
        answer = answers.readline()
    if not answer:
        asked: Install = serialize.record(install, Install)
        says = f"its process ended with {worker_process.ending(process.returncode)}"
        raise Failed(serialize.plain(replace(_lost(asked, says), ending=Ending.FAILED, worker=worker.address)))
    told = {**json.loads(answer), "worker": worker.address}
    if told["ending"] == Ending.FAILED.value:
        raise Failed(told)
    return told
