"""Takes events out of what ``journalctl --output export`` prints.

An entry is a block of lines ``FIELD=value``, ended by an empty line.  The field MESSAGE is the line that the application
wrote, and __REALTIME_TIMESTAMP stands before it.  Source: https://systemd.io/JOURNAL_EXPORT_FORMATS/.
"""

from __future__ import annotations

import re

_FIELD = re.compile(rb"([A-Z_][A-Z0-9_]{0,63})=(.*)", re.DOTALL)


class Journal:
    """Reads lines of a log that may be an export of the journal, in their order."""

    def __init__(self) -> None:
        self._written: str | None = None

    def message(self, line: bytes) -> tuple[bytes, str | None]:
        """Return the application's own line and the time of its entry; any other *line* as it is, without a time.

        A field of an entry that is not its message is the empty line: it holds nothing that is meant for the monitor.
        """
        field = _FIELD.match(line)
        if field is None:
            if not line:
                self._written = None
            return line, None
        name, value = field.groups()
        if name == b"MESSAGE":
            return value, self._written
        if name == b"__REALTIME_TIMESTAMP":
            self._written = value.decode("ascii", "replace")
        return b"", None
