"Put on PYTHONPATH by the tests: a process with this on its path can reach this machine only."
import ipaddress
import socket

_connect, _connect_ex, _getaddrinfo, _sendto = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo, socket.socket.sendto


def _check(family, address):
    if family not in (socket.AF_INET, socket.AF_INET6): return
    host = address[0]
    if host in ("localhost", "") or (host.replace(".", "").replace(":", "").isalnum() and _loopback(host)): return
    raise OSError(f"blocked by the tests: a connection to {host!r}")


def _loopback(host):
    try: return ipaddress.ip_address(host).is_loopback
    except ValueError: return False


def connect(self, address):
    _check(self.family, address)
    return _connect(self, address)


def connect_ex(self, address):
    _check(self.family, address)
    return _connect_ex(self, address)


def sendto(self, data, *args):
    _check(self.family, args[-1])
    return _sendto(self, data, *args)


def getaddrinfo(host, *args, **kwargs):
    if host and host != "localhost" and not _loopback(host if isinstance(host, str) else host.decode()): raise socket.gaierror(f"blocked by the tests: a look-up of {host!r}")
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto, socket.getaddrinfo = connect, connect_ex, sendto, getaddrinfo
