"""Receiver access: as whom an endpoint's receiver is spoken to, and with which certificates it is verified."""
