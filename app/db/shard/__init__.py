"""Shard: one of the queues that pending deliveries wait in; all of an endpoint's deliveries wait in the same one."""
