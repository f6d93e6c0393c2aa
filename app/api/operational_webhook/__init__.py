"""Operational webhook: an event of Postrider's own, sent to endpoints that the organization registered for them."""
