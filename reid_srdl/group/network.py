"""Which network the processes of several machines sum over.

gloo takes the address that a machine's own name stands for, and on many systems that is 127.0.1.1,
which no other machine can reach. The address by which a machine reaches the others is the right
one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator, Sequence

_NAME = "GLOO_SOCKET_IFNAME"
_ADDRESS_OF_INTERFACE = 0x8915  # Linux's SIOCGIFADDR
_ANY_PORT = 9  # nothing is sent


def address_towards(host: str) -> str:
    """Returns this machine's own IPv4 address on the way to a host; empty where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect((host, _ANY_PORT))
        except OSError:
            return ""
        return str(way.getsockname()[0])


def reachable(own: str, others: Sequence[str]) -> str:
    """Returns this machine's address as the others see it; empty where all are on one machine.

    Args:
        own: its address on the way to process 0: a loopback address on process 0's own machine.
        others: the same of all processes.
    """
    if own and not ipaddress.ip_address(own).is_loopback:
        return own
    outside = [a for a in others if a and not ipaddress.ip_address(a).is_loopback]
    return address_towards(outside[0]) if outside else ""


def interface_of(address: str) -> str | None:
    """Returns the network interface that has an IPv4 address, where the system says."""
    try:
        from fcntl import ioctl
    except ImportError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                request = struct.pack("256s", name.encode()[:15])
                found = ioctl(asking.fileno(), _ADDRESS_OF_INTERFACE, request)[20:24]
                if socket.inet_ntoa(found) == address:
                    return name
    return None


@contextlib.contextmanager
def summing_over(address: str) -> Iterator[None]:
    """Lets gloo take the network of an address; $GLOO_SOCKET_IFNAME, where set, says otherwise."""
    name = interface_of(address) if address and _NAME not in os.environ else None
    if name is None:
        yield
        return
    os.environ[_NAME] = name
    try:
        yield
    finally:
        del os.environ[_NAME]
