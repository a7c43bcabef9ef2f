"""Connections out of a network namespace, from a process that stays where it is."""

import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000


def connect(namespace, where, seconds=15.0):
    """A connection from inside the namespace to `where`; the namespace is that of the thread that makes the socket."""
    made = []

    def make():
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            made.append(socket.create_connection(where, seconds))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made[0]
