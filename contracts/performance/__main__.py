"""``python -m contracts.performance`` measures and writes the performance page."""

from contracts.performance.measurement import main

main()
