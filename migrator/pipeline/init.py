"""Proposes a configuration for a data directory, from what lies in it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.pipeline import migrate
from migrator.records.inventory import Verdict
from migrator.records.proposal import Needs, Proposal
from migrator.reports import configuration
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import needs as plan_needs
from migrator.stages.plan import stage as plan_stage
from migrator.switch.workspace import Workspace
from migrator.system import output_files

#: Constants with which rows are counted: a value changes none of the constraints that refuse a row.
_STAND_INS = {"wallet_address": "1" * 32, "local_utc_offset": "+00:00"}


def init(workspace: Workspace, path: Path, *, write: bool, replace_it: bool = False) -> Proposal:
    """Return the configuration that *workspace* needs, and write it to *path*.

    Args:
        workspace: The data directory and what belongs to it.
        path: Where the configuration belongs.
        write: Whether to write it; without, nothing is changed.
        replace_it: Whether to replace a file that is there.

    Raises:
        Refused: There is no database, the consolidated set is in use, or *path* exists.
    """
    workspace.refuse_after_a_cutover()
    if write and not replace_it and os.path.lexists(path):
        raise Refused(
            "exists, and is not replaced", where=path,
            hint="to print the proposal run: migrator init --print; to replace the file run: migrator init --replace",
        )  # fmt: skip
    found = inventory(workspace.data_dir, include=workspace.include)
    if not found.with_verdict(Verdict.SOURCE, Verdict.STANDALONE, Verdict.UNKNOWN):
        raise Refused(
            "no SQLite file here", where=workspace.data_dir,
            hint="name the folder that holds the bot's databases with --data-dir",
        )  # fmt: skip
    needs = plan_needs.needs(plan_stage.case_of(found, Config(), disk=workspace.data_dir, in_use=True))
    counted = migrate.plan(workspace, _stand_in(needs), count=True)
    proposal = Proposal(
        path=path,
        written=False,
        text=configuration.text(needs, counted.quarantine, counted.amendment_effects),
        needs=needs,
        quarantine=counted.quarantine,
        amendment_effects=counted.amendment_effects,
        refusals=counted.refusals,
    )
    if not write:
        return proposal
    output_files.write(path, proposal.text)
    return replace(proposal, written=True)


def _stand_in(needs: Needs) -> Config:
    """Return a configuration under which the rows can be counted: undecided files are left out."""
    return Config(
        constants={constant.name: _STAND_INS[constant.name] for constant in needs.constants},
        files={file.key: "ignore" for file in needs.files},
        absent=needs.absent,
        left_behind=needs.left_behind,
    )
