"""Sets that the suite makes if the user names none: a specimen, and the migration of a legacy set."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import MappingProxyType

from contracts.sets.legacy import begins_as_sqlite, regular_files
from migrator.config.config_file import Config
from migrator.errors import MigratorError
from migrator.records.backup import Snapshot
from migrator.records.inventory import Inventory
from migrator.system import connections, private_copy


def specimen(folder: Path, *, rows: int | None = None, seed: int = 7, variant: str = "found") -> Path:
    """Make a dirty specimen in *folder*, with rows in its WALs, and return *folder*."""
    from contracts.specimens import generator  # noqa: PLC0415 - faker is slow to load and only needed here

    generator.make(folder, rows=rows, seed=seed, dirty=True, wal=True, variant=variant)
    return folder


def built(looked: Inventory, config: Config, stage: Path) -> Path:
    """Build the three databases in *stage* from the snapshot that was *looked* at; return *stage*.

    Raises:
        MigratorError: The plan refuses it, or the build fails.
    """
    from migrator.stages.build import stage as build_stage  # noqa: PLC0415 - the tool is not needed to judge what is there
    from migrator.stages.plan import stage as plan_stage  # noqa: PLC0415 - the tool is not needed to judge what is there

    planned = plan_stage.plan(looked, config, disk=stage.parent)
    plan_stage.refuse(planned)
    planned = plan_stage.decided(planned, looked)
    snapshot = Snapshot(
        run="", folder=looked.data_dir, inventory=looked, journal_modes=MappingProxyType({}), blocked_s=0.0
    )
    return build_stage.build(planned, snapshot, stage).stage


def migrated(legacy: Path, scratch: Path, config_path: Path | None = None) -> Path:
    """Migrate a private copy of the data directory *legacy* below *scratch*; return the consolidated set.

    The configuration is the one at *config_path*, else that of the data directory.

    Raises:
        MigratorError: The plan refuses the set, or the build fails.
    """
    from migrator.config import config_file  # noqa: PLC0415 - the tool is not needed to judge what is there
    from migrator.pipeline import migrate as pipeline_migrate  # noqa: PLC0415 - the tool is not needed to judge what is there
    from migrator.switch.workspace import Workspace  # noqa: PLC0415 - the tool is not needed to judge what is there

    home = scratch / "migrated"
    for path in regular_files(legacy):
        copied = home / path.relative_to(legacy)
        copied.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if begins_as_sqlite(path):
            private_copy.private_copy(path, copied)
        elif not path.name.endswith(connections.COMPANIONS) and not path.name.endswith("-shm"):
            shutil.copyfile(path, copied)
    written = config_file.load(config_path or config_file.beside(legacy))
    workspace = Workspace(home)
    pipeline_migrate.backup(pipeline_migrate.plan(workspace, written), workspace)
    built = pipeline_migrate.build(workspace, written)
    if not built.stage.is_dir():
        raise MigratorError("the build left no stage", where=home)
    return built.stage
