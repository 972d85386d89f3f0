"""Does: put the legacy set back, with the rows written since the cutover.

Reads: the consolidated set in use and the original legacy files.
Writes: legacy copies, the residue, backup/NNNN/rolled-back/.
"""
