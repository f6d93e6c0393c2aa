"""Partition: one week of a history table. Made ahead of time; dropped as a whole when its week leaves the retention."""
