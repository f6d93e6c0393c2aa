"""Sealed columns: what is kept encrypted under the main secret, in whichever table."""
