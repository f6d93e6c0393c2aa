"""Sent request: what went to the receiver with an attempt, worked out anew, and the command that sends it again."""
