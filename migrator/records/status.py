"""Record of the state of a run: what ``migrator status`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorState:
    """What a monitor has left about its watch.

    Attributes:
        running: Whether one is at work now.
        age_s: Seconds since it last wrote what it counted; None if it never did for this cutover.
        seen: Events that it counted.
        failures: Failed events among them.
        fired: Whether it required a rollback.
    """

    running: bool
    age_s: float | None = None
    seen: int = 0
    failures: int = 0
    fired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBackup:
    """The newest copy of the set in use.

    Attributes:
        run: Its number.
        age_s: Seconds since it was taken.
    """

    run: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What migrator keeps on the disk, in bytes.

    Attributes:
        backups_bytes: All snapshots, with what switches kept in them, and all backups of the three.
        prunable_bytes: What ``migrator prune`` would free of that.
        state_bytes: The stage and what else lies in ``.migrator``.
    """

    backups_bytes: int
    prunable_bytes: int
    state_bytes: int


class Standing(StrEnum):
    """The last finished step of a run, and whether its result is current."""

    NOTHING = "nothing yet"
    SNAPSHOT = "snapshot"
    BUILT = "built"
    VERIFIED = "verified"
    STALE = "not verified as it stands"
    AT_WORK = "a switch is at work"
    CUT_SHORT = "a switch was cut short"
    CONSOLIDATED = "the consolidated set is in use"
    ROLLED_BACK = "rolled back: the legacy set is in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a run.

    Attributes:
        standing: The last finished step.
        run: The number of the run, such as ``0001``; '' without a snapshot, and for a named file of evidence.
        made: Time of the evidence in UTC; '' without evidence.
        waivers: The waivers in the evidence, one sentence each.
        reasons: Reasons for which the evidence is not current, one sentence each.
        next: The next command.
        in_use: The set in use: ``legacy`` or ``consolidated``; '' while a switch has not ended.
        flag: Whether the .env says that the consolidated set is in use; None if it cannot be read.
        verdict: ``GO``, ``NO-GO``, or ``STALE`` for a GO that no longer fits; '' without evidence that can be read.
        quarantined: Quarantined rows of the stage as it was built, or of the set in use as it is now; None without.
        unaccepted: Those of the stage that the owners neither accepted as they are nor decided to leave there; None after a cutover.
        monitor: The watch of the cutover; None while the legacy set is in use.
        backup: The newest snapshot, or after a cutover the newest backup of the three; None without.
        disk: What migrator keeps on the disk.
        back: The command that undoes the cutover; '' without one.
    """

    standing: Standing
    run: str = ""
    made: str = ""
    waivers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    next: str
    in_use: str = ""
    flag: bool | None = None
    verdict: str = ""
    quarantined: int | None = None
    unaccepted: int | None = None
    monitor: MonitorState | None = None
    backup: LastBackup | None = None
    disk: DiskUse | None = None
    back: str = ""
