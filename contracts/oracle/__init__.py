"""Does: read a consolidated set a second time, in plain Python that shares no code with the mappings.

For every mapped legacy table it states what each target column must be for a legacy row (``forward``), and what a
target row says about each legacy column (``back``).  :mod:`.judge` asks both of every row:

* the target row says what the decisions make of the legacy row, and
* the legacy row is rebuilt, cell by cell with storage class and bytes, from the target row and ``lineage.rest``.

The statements are in :mod:`.core`, :mod:`.tax`, :mod:`.analytics`, :mod:`.memory`, :mod:`.market`, :mod:`.cache` and, for
tables that already have the target's shape, :mod:`.same_shape`; :mod:`.rules` says what a statement looks like,
:mod:`.cross_table` answers what a row alone does not tell, :mod:`.cells` and :mod:`.times` read single values, :mod:`.table_judge` asks.

Reads: the rows of both sets, ``schema`` and ``system.connections`` of migrator, and nothing else of it.
Writes: nothing.
"""
