"""``python -m contracts.performance`` measures and writes docs/reference/performance.md."""

from contracts.performance.measurement import main

main()
