"""What both ends of a connection over ZeroMQ do with their sockets."""

from contextlib import suppress
from uuid import uuid4

import zmq
from zmq.utils.monitor import recv_monitor_message

from serving.transport.addresses import host_of, is_loopback, is_of_this_machine
from serving.transport.messages import LARGEST_BODY, Message, WireError, unpack
from serving.transport.secret import Secret
from system import InputError
from system.checks import require
from system.limits import WAITING_REQUESTS

FRAMES = 2  # of a message: header and body
HEARTBEAT_MS = 1000
SILENCE_MS = 5000
FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
# Events that end a connection, also when another program is at the other end.
GONE = zmq.EVENT_DISCONNECTED | FAILED

Socket = zmq.Socket[bytes]


def unlimited(kind: int) -> Socket:
    """Return a socket with unlimited queues.

    Nothing is dropped, and nothing blocks.
    """
    socket: Socket = zmq.Context.instance().socket(kind)
    for option in (zmq.LINGER, zmq.SNDHWM, zmq.RCVHWM):
        socket.set(option, 0)
    socket.set(zmq.MAXMSGSIZE, LARGEST_BODY)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    return socket


def listen(socket: Socket, address: str, secret: Secret | None, is_open: bool) -> Socket:
    """Bind a ROUTER socket to an address; return the monitor of its connections.

    Raises `InputError` if other machines could reach it, but neither need a secret nor are allowed to.
    """
    host = host_of("bind", address, listens=True)
    require(is_of_this_machine(host), "bind", address, "give tcp://HOST:PORT of this machine, its host as a number")
    remedy = "other machines reach it; give --secret FILE, or --open where you trust all of them"
    require(is_loopback(host) or secret is not None or is_open, "bind", address, remedy)
    socket.set(zmq.ROUTER_MANDATORY, 1)  # an answer that cannot be delivered is an error
    socket.set(zmq.SNDHWM, WAITING_REQUESTS)  # not RCVHWM: libzmq 4.3.5 aborts if a full connection ends
    socket.set(zmq.IPV6, ":" in host)
    if secret is not None:
        secret.guard_server(socket)
    monitor: Socket = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
    try:
        socket.bind(address.replace("//localhost:", "//127.0.0.1:"))
    except zmq.ZMQError as error:
        close(socket, monitor)
        raise InputError(f"bind = {address}: {_bind_remedy(error)}") from error
    return monitor


def _bind_remedy(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "the port is in use; end the program that listens there, or choose another port"
    return f"give tcp://HOST:PORT of this machine ({error})"


def connect(socket: Socket, address: str, secret: Secret | None) -> None:
    """Connect a socket to a server, which may start later."""
    host = host_of("addresses", address, listens=False)
    socket.set(zmq.IPV6, ":" in host)
    if secret is not None:
        secret.open_server(socket)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise InputError(f"addresses = {address}: give tcp://HOST:PORT ({error})") from error


def frames_of(socket: Socket, most: int) -> list[zmq.Frame]:
    """Return the frames of a message, but no more than one beyond `most`.

    Raises `zmq.Again` if no message is complete.
    """
    frames = [socket.recv(zmq.NOBLOCK, copy=False)]
    while frames[-1].more:
        frame = socket.recv(copy=False)
        frames[most:] = [frame]
    return frames


def descriptor_of(frame: zmq.Frame) -> int | None:
    """Return the descriptor of a frame's connection; None for ZeroMQ's protocols before 3."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None


def message_of(frames: list[zmq.Frame], largest: int = LARGEST_BODY) -> Message:
    """Return the message of two frames; raise `WireError` for others."""
    if len(frames) != FRAMES:
        raise WireError("message frames: must be two; run the same version of this program at both ends")
    return unpack(frames[0].bytes, frames[1].buffer, largest)


def events(monitor: Socket) -> list[tuple[int, int]]:
    """Return the events of connections since the last call, with their values."""
    noted = []
    with suppress(zmq.Again):
        while True:
            message = recv_monitor_message(monitor, zmq.NOBLOCK)
            noted.append((int(message["event"]), int(message["value"])))
    return noted


def close(socket: Socket, monitor: Socket) -> None:
    """Close a socket and the monitor of its connections."""
    if not socket.closed:
        socket.disable_monitor()
    monitor.close()
    socket.close()


def pair() -> tuple[Socket, Socket]:
    """Return two connected sockets for two threads of this process."""
    context: zmq.Context[Socket] = zmq.Context.instance()
    one: Socket = context.socket(zmq.PAIR)
    other: Socket = context.socket(zmq.PAIR)
    for socket in (one, other):
        for option in (zmq.LINGER, zmq.SNDHWM, zmq.RCVHWM):
            socket.set(option, 0)
    address = f"inproc://{uuid4()}"  # ZeroMQ may keep the address of a closed socket for a while
    one.bind(address)
    other.connect(address)
    return one, other
