"""The list of hazards that can be planted in data, and of those that cannot.

The letter of an id is the kind of table: G any, P positions, T trades, O orders, S the score, X lots, W wash
sales, M messages, U users, E posts, A the assistant's memory, N sentiment, C calls, H whales, K metrics, L costs, B the
cache, R limits; Z hazards of SQLite itself, in any table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from contracts.specimens.hazards import analytics as hazards_analytics
from contracts.specimens.hazards import core as hazards_core
from contracts.specimens.hazards import everywhere as hazards_everywhere
from contracts.specimens.hazards import market as hazards_market
from contracts.specimens.hazards import storage as hazards_storage
from contracts.specimens.hazards import tax as hazards_tax
from contracts.specimens.hazards.planting import Hazard

#: Hazards that cannot be planted in rows, each with the reason.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "G2": "a writer that deletes all rows and inserts them again: code, at run time",
        "G3": "INSERT OR REPLACE against a UNIQUE column: code; P1 has the rows",
        "G8": "a writer at work while the files are read: needs a second process; see the faults",
        "G9": "CREATE TABLE IF NOT EXISTS against a table of the same name: code",
        "G10": "symbolic links of databases and WALs: tested with the cutover",
        "G13": "CHECK constraints that the legacy tables never had: P2, O2, M1, N1, N2, C2, H1 and L1 have the rows",
        "G14": "INSERT OR IGNORE drops rows: code; every refused row shows it",
        "G15": "a validation query that cannot fail: a query, not data",
        "G16": "a missing table that counts as success: code",
        "G18": "the specified DDL cannot run twice: DDL",
        "P3": "no wallet in any row: it comes from the configuration; every position needs it",
        "P4": "no P&L in USD in any row: a missing column",
        "T5": "no router in any row: a missing column",
        "T8": "no fee in any row: a missing column",
        "S3": "columns without a target column: S1 has the values",
        "S4": "sums that do not follow from the row: nothing to plant",
        "S5": "columns that are always 0: every row shows it",
        "S7": "a loader that fails on other columns: code",
        "X6": "a cascade of the target: DDL",
        "U1": "names and rights in no row: missing columns",
        "U3": "a reader by position: code",
        "E4": "impressions and links in no row: missing columns",
        "A3": "a table that the specification reads and legacy lacks: every set shows it",
        "A6": "an index without a successor: every set shows it",
        "N4": "a count without a column: every row has it",
        "L3": "a purpose in no row: a missing column",
        "L5": "comparison of two spellings of time: code; G5 has the rows",
        "B3": "an expiry of NULL: cache.db alone allows it, which only the variant specified has",
        "R3": "configuration that is written anew at each start: every set shows it",
    }
)

#: All hazards of the variant ``found``, in the order of planting: sequences at the very end.
FOUND: Sequence[Hazard] = (
    *hazards_core.HAZARDS,
    *hazards_tax.HAZARDS,
    *hazards_analytics.HAZARDS,
    *hazards_market.HAZARDS,
    *hazards_everywhere.HAZARDS,
    *hazards_storage.HAZARDS,
    *hazards_everywhere.LAST,
)
