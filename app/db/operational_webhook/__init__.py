"""Operational webhook: an event of Postrider's own, told to the organization that it concerns."""
