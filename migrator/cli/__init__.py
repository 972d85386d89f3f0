"""Does: parse the command line, call one workflow, show its result.

Reads: arguments and environment variables.
Writes: the terminal.
"""
