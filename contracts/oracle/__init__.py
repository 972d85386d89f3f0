"""Does: work out in plain Python what each legacy row must become.

For every mapped legacy table a reading defines what each target column must be for a legacy row (``forward``), and how each
legacy column is rebuilt from a target row (``back``).  :mod:`.judge` checks both for every row:

* the target row equals what the written decisions make of the legacy row, and
* the legacy row is rebuilt, each cell with its storage class and bytes, from the target row and ``lineage.rest``.

The readings are in :mod:`.core`, :mod:`.tax`, :mod:`.analytics`, :mod:`.memory`, :mod:`.market`, :mod:`.cache` and, for
tables that already have the target's shape, :mod:`.same_shape`.  :mod:`.rules` defines the parts of a reading,
:mod:`.cross_table` supplies values from other tables, :mod:`.cells` and :mod:`.times` read single values, and
:mod:`.table_judge` compares.

Reads: the rows of both sets; of migrator only ``schema`` and ``system.connections``.
Writes: nothing.
"""
