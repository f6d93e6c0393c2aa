"""System: whether the installation is well, for who operates it."""
