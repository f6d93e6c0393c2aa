"""Debugging: why a signature of Standard Webhooks is refused. Each mistake is found by undoing it.

A *repair* undoes one mistake: in how the secret is read, in the body's bytes, in what is signed, in how the signature
is written. If the signature becomes right with it, that was the mistake. Pure; nothing that is said holds a secret or
tells what a right signature would be.
"""
