"""The error tree and its exit codes.

::

    MigratorError           exit 1  the run failed; nothing that it wrote is in use
    +-- UsageError          exit 2  the command or its configuration is wrong
    +-- Refused             exit 3  something is missing or unsafe; nothing was touched
    +-- SourceError         exit 1  a legacy database cannot be read as it stands
    |   +-- SourceBusy      exit 1  it kept changing while it was read
    +-- DdlError            exit 1  a schema text is not one that we understand
    +-- MappingError        exit 1  a mapping file is wrong
    +-- BuildError          exit 1  the three databases could not be built, or a check on them failed
    +-- RollbackFailed      exit 5  a rollback could not be done; the consolidated set is still in use
    +-- EvidenceError       exit 1  a file of evidence is not there, or not as it was written

An error is one sentence: where, what happened, what to do.
"""

from __future__ import annotations

from typing import ClassVar


class MigratorError(Exception):
    """The run failed; nothing that it wrote is in use.

    Attributes:
        what: What happened, without a full stop.
        where: The file, table or option it happened to, or ''.
        hint: What to do about it, or ''.
        logged: What the log of the run holds in place of the sentence, which has a cell or a command line in it; None if the
            sentence may be logged.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: object = "", hint: str = "", logged: str | None = None) -> None:
        self.what = what
        self.where = str(where)
        self.hint = hint
        self.logged = logged
        super().__init__(what)

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        return f"{sentence}; {self.hint}" if self.hint else sentence


class UsageError(MigratorError):
    """The command or its configuration is wrong."""

    exit_code = 2


class Refused(MigratorError):
    """Something is missing or unsafe; nothing was touched."""

    exit_code = 3


class SourceError(MigratorError):
    """A legacy database cannot be read as it stands."""


class SourceBusy(SourceError):
    """A legacy database kept changing while it was read."""


class DdlError(MigratorError):
    """A schema text is not one that we understand."""


class MappingError(MigratorError):
    """A mapping file is wrong: its sentence names file, line and column."""


class BuildError(MigratorError):
    """The three databases could not be built, or a check on them failed."""


class EvidenceError(MigratorError):
    """A file of evidence is not there, or not as it was written."""


class RollbackFailed(MigratorError):
    """A rollback could not be done; the consolidated set is still in use."""

    exit_code = 5
