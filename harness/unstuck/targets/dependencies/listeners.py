"""Whether a port is open to other machines, as the kernel has it."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path

_LISTENING = "0A"


def addresses_of(port: int, *, tables: Path = Path("/proc/net")) -> list[str]:
    """Those off the loopback on which somebody listens on the port. Empty where the kernel is not Linux."""
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (tables / table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].partition(":")
                if fields[3] == _LISTENING and int(number, 16) == port:
                    found.append(_readable(address))
    return [address for address in found if not is_loopback(address)]


def is_loopback(address: str) -> bool:
    """An address of this machine that no other one can reach."""
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"


def _readable(address: str) -> str:
    """As people write it: the kernel prints words of 32 bits in the machine's own order."""
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
