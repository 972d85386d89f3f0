"""What must be true of the consolidated databases, ours or anybody's: a pytest suite that judges a pair of sets."""
