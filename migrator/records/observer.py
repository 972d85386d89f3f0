"""The reports of a workflow to its caller while it runs."""

from __future__ import annotations


class Observer:
    """Receives the reports of a workflow.  Each method does nothing here; a subclass overrides what it shows."""

    def stage(self, name: str, total: int = 0, unit: str = "") -> None:
        """Report that the stage *name* begins; it has *total* parts, which *unit* names, or 0 if their number is not known yet."""

    def progress(self, part: str, rows: int, seconds: float) -> None:
        """Report that *part* of the stage is done, such as a target table with its rows and the seconds it took."""

    def done(self, number: int, total: int) -> None:
        """Report that *number* of the *total* parts of the stage are done."""

    def step(self, sentence: str) -> None:
        """Report a step of a switch, once it is durable."""

    def waiting(self, sentence: str) -> None:
        """Report why the workflow waits for a person."""
