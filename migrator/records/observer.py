"""The reports of a workflow to its caller while it runs."""

from __future__ import annotations


class Observer:
    """Receives the reports of a workflow.  Each method does nothing here; a subclass overrides what it shows."""

    def progress(self, part: str, rows: int, seconds: float) -> None:
        """Report that *part* of a migration is done: a stage, or a target table with its rows and the seconds it took."""

    def step(self, sentence: str) -> None:
        """Report a step of a switch, once it is durable."""

    def waiting(self, sentence: str) -> None:
        """Report why the workflow waits for a person."""
