"""Whether an address can be listened on, and who holds it if not."""

import errno
import os
import socket
from pathlib import Path
from typing import Final

from app.cli.process import CannotRun, command_line

_LISTENING: Final = "0A"  # st in /proc/net/tcp, see proc_net_tcp in the kernel's documentation


def require_free(host: str, port: int) -> None:
    """CannotRun, with the holder's pid where it can be known, if host:port cannot be listened on."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (OSError, UnicodeError) as error:
        raise CannotRun(f"POSTRIDER_LISTEN_ADDRESS: {host!r} is not an address of this machine ({error})") from None
    try:
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotRun(
                f"port {port} of {host} is taken{_holder(port)}: "
                "stop that process, or set POSTRIDER_LISTEN_ADDRESS to another host:port"
            ) from None
        raise CannotRun(
            f"POSTRIDER_LISTEN_ADDRESS: cannot listen on {host}:{port} ({error.strerror}): set another host:port"
        ) from None


def _holder(port: int) -> str:
    """` by process N (its command)`, or nothing where /proc does not tell."""
    inodes = set[str]()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {os.readlink(link) for link in (process / "fd").iterdir()}
        except OSError:
            continue
        if links & inodes:
            words = " ".join(command_line(int(process.name)))
            return f" by process {process.name} ({words[:80]})"
    return ""
