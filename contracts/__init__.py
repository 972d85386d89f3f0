"""A pytest suite that judges consolidated databases, made by migrator or by another tool, against the legacy set."""
