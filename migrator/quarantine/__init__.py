"""Does: say why a row was refused, and what would let it in.

Reads: the table ``quarantine`` of each target database; the mappings and the specification.
Writes: exports of quarantined rows.
"""
