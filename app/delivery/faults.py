"""What is wrong with answers that we do not accept, in words for the endpoint's owner."""

from typing import Final

MOST_HEAD_BYTES: Final = 65_536
"""Bytes of status lines and headers, interim answers included."""
MOST_INTERIM_ANSWERS: Final = 16
LATE: Final = "The receiver did not answer completely in time."
CUT: Final = "The receiver closed the connection before its answer was complete."
LARGE_HEAD: Final = f"The receiver's headers are larger than {MOST_HEAD_BYTES} bytes."
JUNK: Final = "The receiver's answer is not valid HTTP/1.1."
_SWITCHED: Final = "The receiver answered 101 Switching Protocols, which was not asked for."
_INTERIM: Final = f"The receiver sent more than {MOST_INTERIM_ANSWERS} interim (1xx) answers."
_FIRST_STATUS: Final = 100
_SWITCHING_PROTOCOLS: Final = 101


def fault_of_interim(status: int, count: int) -> str | None:
    """What is wrong with an interim answer (1xx), which is the `count`-th; None: it is passed over."""
    if status == _SWITCHING_PROTOCOLS:
        return _SWITCHED
    if status < _FIRST_STATUS:
        return JUNK
    return _INTERIM if count > MOST_INTERIM_ANSWERS else None
