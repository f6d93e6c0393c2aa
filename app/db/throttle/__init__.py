"""Throttle: how much of an application's rate was given out, over all workers that send to its endpoints."""
