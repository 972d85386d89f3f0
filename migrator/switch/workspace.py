"""The workspace: the paths that a run reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migrator.errors import Refused
from migrator.switch import env_flag
from migrator.switch import state as switch_state


class Workspace:
    """The paths that a run reads and writes.

    Attributes:
        data_dir: The data directory.
        include: Databases outside of it.
        env_file: The application's .env.
        stopped: The owner asserts that no process that this user cannot see has a database open.
    """

    def __init__(
        self, data_dir: Path, include: Sequence[Path] = (), env_file: Path | None = None, *, stopped: bool = False
    ) -> None:
        self.data_dir = data_dir
        self.include = tuple(include)
        self.env_file = env_file or env_flag.beside(data_dir)
        self.stopped = stopped

    @property
    def backups(self) -> Path:
        """The folder of the snapshots."""
        return self.data_dir / "backup"

    @property
    def state(self) -> Path:
        """The folder of what migrator keeps between two commands."""
        return self.data_dir / ".migrator"

    @property
    def stage(self) -> Path:
        """The folder of the three databases until cutover."""
        return self.state / "stage"

    @property
    def evidence(self) -> Path:
        """The evidence on the newest snapshot and the stage."""
        return self.state / "evidence.json"

    @property
    def accepted(self) -> Path:
        """The record of the quarantined rows that the owners accept."""
        return self.data_dir / ".migrator" / "accepted.json"

    @property
    def broken(self) -> Path:
        """The messages of the contracts that were broken, beside the evidence."""
        return self.evidence.with_name("broken.json")

    @property
    def report(self) -> Path:
        """The report on that evidence."""
        return self.evidence.with_name("report.html")

    def refuse_after_a_cutover(self) -> None:
        """Check that the legacy set is in use: after a cutover the stage and its evidence are not changed.

        Raises:
            Refused: The consolidated set is in use.
        """
        last = switch_state.cutover_in_use(self.data_dir)
        if last is not None:
            raise Refused(
                f"the consolidated set of run {last.run} is in use, and a stage is built and judged before a cutover only",
                where=self.data_dir,
                hint="to read what was judged run: migrator report; to go back first: migrator rollback --execute",
            )


#: The file in which the application's connections count their events, below the data directory.
EVENTS = Path(".migrator") / "events.jsonl"
