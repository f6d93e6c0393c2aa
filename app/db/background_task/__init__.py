"""Background task: long work that somebody asked for, done by workers in bites, each of which is one transaction."""
