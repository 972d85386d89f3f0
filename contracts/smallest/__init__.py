"""Does: find the smallest counterexample of a broken contract: the fewest legacy rows that still break it, as a test to keep.

``python -m contracts.smallest CONTRACT --legacy-dir DIR`` looks for it (:mod:`contracts.smallest.search`) and prints it
(:mod:`contracts.smallest.case`); what was printed calls :func:`broken`.

Reads: a legacy set, or a pair of sets.
Writes: a pytest file, where one is named.
"""

from contracts.smallest.case import broken

__all__ = ["broken"]
