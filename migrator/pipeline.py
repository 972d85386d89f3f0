"""The stages in their order; the only module that imports them."""

from __future__ import annotations

from migrator.inventory import inventory

__all__ = ["inventory"]
