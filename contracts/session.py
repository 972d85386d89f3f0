"""What one run of the contracts judges, made when it is first asked for: the pair, or one side of it."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

import pytest

from contracts import pair as pairs
from contracts import subject as subjects
from contracts.pair import Pair
from contracts.subject import Subject


class Session:
    """The sets under judgement.

    With both folders named, that pair.  With the legacy folder alone, what a migration makes of it.  With neither, a
    dirty specimen and what a migration makes of that.  With the consolidated folder alone there is no pair.
    """

    def __init__(self, legacy: Path | None, consolidated: Path | None, *, show_values: bool) -> None:
        self.legacy = legacy
        self.consolidated = consolidated
        self.show_values = show_values
        self._folder = tempfile.TemporaryDirectory(prefix="contracts-")
        self.scratch = Path(self._folder.name)

    @property
    def has_pair(self) -> bool:
        """Whether there is a legacy set to judge the consolidated one by."""
        return self.legacy is not None or self.consolidated is None

    @cached_property
    def legacy_dir(self) -> Path:
        """The legacy set that was named, else a dirty specimen at real size."""
        return self.legacy or pairs.specimen(self.scratch / "specimen")

    @cached_property
    def judged(self) -> Subject:
        """The consolidated set that was named, else what a migration makes of the legacy set."""
        return subjects.subject(self.consolidated or pairs.migrated(self.legacy_dir, self.scratch), self.scratch)

    @cached_property
    def pair(self) -> Pair:
        """Both, side by side."""
        config = pairs.config_of(self.legacy_dir)
        return pairs.pair(self.legacy_dir, self.judged, self.scratch, config, show_values=self.show_values)

    def describe(self) -> str:
        """Say what is judged."""
        if self.consolidated is None:
            return f"what a migration makes of {self.legacy or 'a dirty specimen'}"
        beside = (
            f" beside {self.legacy}" if self.legacy else "; no legacy set was named: contracts on the pair are skipped"
        )
        return f"{self.consolidated}{beside}"

    def close(self) -> None:
        """Remove the private copies."""
        self._folder.cleanup()


#: Where the plugin keeps the session, for items that have no fixtures.
SESSION = pytest.StashKey[Session]()
#: Why a contract on the pair is skipped.
NO_PAIR = "no legacy set was named"
