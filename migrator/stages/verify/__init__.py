"""Does: run the contracts on a pair of sets, and check later whether their evidence is current.

Reads: a snapshot, the stage, evidence.json.
Writes: .migrator/evidence.json and contracts.xml.
"""
