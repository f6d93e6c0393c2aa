"""Transformation: JavaScript of an endpoint's owner, which changes or cancels what is sent.

Pure: no rows, no settings, no network, no files but the interpreter's own. The code is a stranger's, and is run where
it can do no harm: what it may use up is bounded (`Limits`), what it can reach is what it was given, and each run has an
interpreter of its own, so that nothing is left of one for the next.
"""
