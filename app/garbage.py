"""Python's cycle collector, told what a server is like.

Modules, routes and pools live as long as the process, and requests leave hardly any cycles. Left alone, the collector
would walk all of that again and again, for tens of milliseconds each time, in the middle of requests.
"""

import gc
from typing import Final

# Allocations between two looks at the youngest objects; what survives few of them is looked at rarely.
_THRESHOLDS: Final = (20_000, 20, 20)


def settle() -> None:
    """Call once everything is loaded: what exists now is never collected, and the rest more rarely."""
    gc.collect()
    gc.freeze()
    look_rarely()


def look_rarely() -> None:
    """Call before anything is loaded: modules leave no garbage, and to look for it there is a tenth of a start."""
    gc.set_threshold(*_THRESHOLDS)
