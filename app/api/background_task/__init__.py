"""Background task: long work that somebody asked for. Here: how far it is, and what came of it."""
