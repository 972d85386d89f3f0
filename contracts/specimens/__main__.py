"""``python -m contracts.specimens DIRECTORY`` makes a legacy set."""

from contracts.specimens.generator import main

main()
