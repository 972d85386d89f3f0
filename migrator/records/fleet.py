"""Records of a run over many installs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One install of the bot.

    Attributes:
        name: Its name, unique in the fleet.
        data_dir: Its data directory, as the worker sees it.
        config: Its configuration; None for the one beside the databases.
        include: Databases outside of the data directory.
        env_file: The application's .env; None for the one beside the data directory.
        worker: Where its disk is: the address of a worker (``tcp://...``), or a resource that a worker has; '' for any.
    """

    name: str
    data_dir: Path
    config: Path | None = None
    include: tuple[Path, ...] = ()
    env_file: Path | None = None
    worker: str = ""


class Ending(Enum):
    """How the verb ended for one install."""

    GO = "GO"
    #: A verb without a verdict: inventory, plan, status.
    DONE = "done"
    NO_GO = "NO-GO"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "worker lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known about one install; it has no values from its databases.

    Attributes:
        name: The install.
        data_dir: Its data directory.
        ending: How the verb ended.
        rows: Rows of the consolidated databases; None where the verb did not count them.
        quarantined: Rows in quarantine; None likewise.
        broken: Names of the broken contracts.
        says: Why it ended so, in a sentence; '' where the ending says it all.
        next: The command to run next, on the machine of the install; '' for none.
        seconds: Time it took.
        worker: The worker that did it; '' for none.
    """

    name: str
    data_dir: Path
    ending: Ending
    rows: int | None = None
    quarantined: int | None = None
    broken: tuple[str, ...] = ()
    says: str = ""
    next: str = ""
    seconds: float = 0.0
    worker: str = ""

    @property
    def holds(self) -> bool:
        """Whether the verb did what it was asked, and found nothing wrong."""
        return self.ending in {Ending.GO, Ending.DONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A verb, run for every install of a fleet.

    Attributes:
        verb: The verb.
        outcomes: One for each install, in the order of the file.
        seconds: Time it took in all.
    """

    verb: str
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether it holds for each install."""
        return all(outcome.holds for outcome in self.outcomes)
