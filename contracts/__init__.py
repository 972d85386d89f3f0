"""A pytest suite that judges consolidated databases, made by migrator or another tool."""
