"""Does: derive faults, plant one at a time, and record which contract catches each.

In addition to the faults written by hand (:mod:`contracts.mutants.by_hand`)::

    schema_mutants  every constraint of the specified DDL, taken away, added or replaced       a set
    row_mutants     cells, rows, links, lineage, quarantine, decisions of a migrated set        a set
    file_mutants    the files themselves                                                       a set
    mapping_mutants the SELECTs of the mappings, changed through sqlglot                       a migration

    fixtures        the specimens and their migrations, in which faults are planted
    suite_run       the real suite, run in this process on one planted set
    matrix          every mutant through the suite: which contract caught it, and the score
    record          the results of the last recorded run
    clean           the reverse: sets without a fault, in which nothing may be caught

``python -m contracts.mutants`` runs it; docs/reference/sabotage.md shows the results.

Reads: specimens, the schema and the mappings.
Writes: recorded.json and docs/reference/sabotage.md, with ``--record``.
"""
