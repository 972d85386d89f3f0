"""Takes a snapshot of the set in use: the legacy files, or after a cutover the three."""

from __future__ import annotations

from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.pipeline import migrate
from migrator.records.backup import Snapshot
from migrator.stages import backup as backup_stage
from migrator.switch import consolidated_set
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system.escaping import escaped


def snapshot_in_use(workspace: Workspace, config: Config) -> Snapshot:
    """Take a snapshot of the legacy set, or after a cutover one of the three, below ``backup/consolidated``.

    Raises:
        Refused: The plan has reasons against it, or after a cutover one of the three cannot be read.
    """
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is None:
        return migrate.backup(migrate.plan(workspace, config), workspace)
    databases = consolidated_set.inventory(last.data_dir).databases
    for database in databases:
        if not database.digest:
            raise Refused(
                f"cannot be read as the database in use: {escaped(database.reason) or 'no such file'}",
                where=escaped(database.path),
                hint="restore it from a copy",
            )
    return backup_stage.backup(databases, workspace.backups / "consolidated", read_back=consolidated_set.inventory)
