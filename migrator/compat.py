"""``python -m migrator.compat PROGRAM``: runs a program that nothing was changed in (:mod:`migrator.application.programs`)."""

from __future__ import annotations

import sys

from migrator.application.programs import running

if __name__ == "__main__":
    running.main(sys.argv[1:])
