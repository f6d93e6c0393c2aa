"""Poller: a filter over an application's messages, for receivers that cannot be posted to and fetch them."""
