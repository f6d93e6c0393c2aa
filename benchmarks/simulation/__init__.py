"""Postrider on paper: a queueing model of its processes, whose parameters are measured on one machine."""
