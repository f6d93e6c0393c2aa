"""Poller: a filter over an application's messages, for receivers that fetch them; and how far its readers have read."""
