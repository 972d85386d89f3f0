"""Does: run the contracts on a pair of sets, and tell later whether their verdict still holds.

Reads: a snapshot, the stage, evidence.json.
Writes: .migrator/evidence.json and contracts.xml.
"""
