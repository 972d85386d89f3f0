"""What the worker can be asked to do in a folder; each is told whom to tell of what is durable."""

import small_set

from migrator import recovery


def migrate(home, _tell):
    """Take the snapshot and build the three databases from it."""
    small_set.build(home)


def cutover(home, tell):
    """Switch to the consolidated set."""
    small_set.cut_over(home, tell)


def rollback(home, tell):
    """Switch back."""
    small_set.roll_back(home, tell)


def recover(home, tell):
    """What every verb does first."""
    tell(recovery.settle(home / "data"))
