"""Trigger of a source: a sample of what its provider sends, signed as by the provider, arrives when it is asked for."""
