"""`make upgrade-test`: an older revision becomes this tree under load, one migration and one process at a time."""
