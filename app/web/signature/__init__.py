"""Signature pages: the debugger, which says why a signature is refused, and the code that receivers verify with."""
