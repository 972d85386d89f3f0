"""Does: find the fewest legacy rows that still break a contract, and write them as a test.

``python -m contracts.smallest CONTRACT --legacy-dir DIR`` finds it (:mod:`contracts.smallest.search`) and prints a test
(:mod:`contracts.smallest.case`) that calls :func:`broken`.

Reads: a legacy set, or a pair of sets.
Writes: a pytest file, with ``--output``.
"""

from contracts.smallest.case import broken

__all__ = ["broken"]
