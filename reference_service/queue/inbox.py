"""`ports.Queue` for a worker that events are pushed to: `POST /events`, answered once its job is claimed.

204: taken. 503 with `Retry-After`: this instance drains, or has no slot free; another one may have it. One
thread, since the worker forks: connections are looked after while the worker asks for events or refuses
them, and `fileno` can be read whenever there is something to look after.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import os
import selectors
import socket
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import h11

from reference_service.ports import Message, Queue
from reference_service.queue.bodies import read_body
from reference_service.settings import BadSettings, Settings

PATH = b"/events"
BODY_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 64
TAKEN, BAD, UNAUTHORISED, UNKNOWN, TOO_LARGE, ELSEWHERE = 204, 400, 401, 404, 413, 503
Refusal = tuple[int, bytes]


class Inbox:
    """Opens nothing before its address is asked for; a forked child has no part in it.

    What was received and not deleted is answered with 503 at the next look, since whoever took it in has
    moved on without it.
    """

    def __init__(self, settings: Settings, outgoing: Queue) -> None:
        """`outgoing` is where `send` goes: nobody pushes to himself."""
        self._settings = settings
        self._outgoing = outgoing
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._connections: dict[_Connection, None] = {}  # the longest silent first
        self._arrived: list[_Connection] = []
        self._handed: dict[str, _Connection] = {}
        self._numbers = itertools.count(1)

    @property
    def address(self) -> str:
        """Raises `BadSettings` when nothing can listen there."""
        given = self._settings.inbox_url
        port = self._open().getsockname()[1]
        return given.rstrip("/") if given is not None else f"http://{self._settings.inbox_host}:{port}"

    def fileno(self) -> int:
        """Readable when a request, or the end of a connection, has come."""
        self._open()
        return self._selector.fileno()

    def send(self, body: Mapping[str, Any]) -> str:
        return self._outgoing.send(body)

    def depth(self) -> int:
        return self._outgoing.depth()

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]:
        """Whoever pushed waits for `delete` or `give_back`."""
        self._answer_the_rest()
        self._look(0.0 if self._arrived else wait_s)
        taken, self._arrived = self._arrived[:most], self._arrived[most:]
        messages = []
        for connection in taken:
            name = f"push-{next(self._numbers)}"
            self._handed[name] = connection
            messages.append(Message(id=name, receipt=name, body=read_body(connection.text)))
        return messages

    def delete(self, message: Message) -> None:
        """Idempotent. One that no longer waits for an answer will push again: that event finds it claimed."""
        self._answer(self._handed.pop(message.receipt, None), TAKEN)

    def give_back(self, message: Message) -> None:
        self._answer(self._handed.pop(message.receipt, None), ELSEWHERE)

    def refuse(self) -> None:
        self._answer_the_rest()
        self._look(0.0)
        waiting, self._arrived = self._arrived, []
        for connection in waiting:
            self._answer(connection, ELSEWHERE)

    def close(self) -> None:
        """Whoever waits for an answer sees its connection end. Idempotent."""
        for connection in list(self._connections):
            self._drop(connection)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        self._selector.close()

    def _open(self) -> socket.socket:
        if self._listener is None:
            host, port = self._settings.inbox_host, self._settings.inbox_port
            try:
                self._listener = socket.create_server((host, port), backlog=128)
            except OSError as error:
                raise BadSettings(
                    f"REFERENCE_INBOX_PORT={port}: cannot listen on {host}: "
                    f"{error.strerror}; choose a free one"
                ) from None
            self._listener.settimeout(0.0)  # never waited on
            self._selector.register(self._listener, selectors.EVENT_READ)
            ours = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _leave_to_the_parent(ours()))
        return self._listener

    def _answer_the_rest(self) -> None:
        left, self._handed = self._handed, {}
        for connection in left.values():
            self._answer(connection, ELSEWHERE)

    def _look(self, wait_s: float) -> None:
        listener = self._open()
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is listener:
                self._accept(listener)
            elif key.data in self._connections:  # it was not given up for a new one meanwhile
                self._hear(key.data)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            peer, _ = listener.accept()
            if len(self._connections) >= CONNECTIONS_MAX and not self._give_one_up():
                peer.close()
                return
            peer.settimeout(0.0)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(peer)
            self._connections[connection] = None
            self._selector.register(peer, selectors.EVENT_READ, connection)

    def _give_one_up(self) -> bool:
        """Ends the connection that has been silent for longest, if none waits for its answer: a host that
        died without a word leaves one that never ends by itself.
        """
        waiting = {*self._arrived, *self._handed.values()}
        silent = next((one for one in self._connections if one not in waiting), None)
        if silent is not None:
            self._drop(silent)
        return silent is not None

    def _hear(self, connection: _Connection) -> None:
        self._connections[connection] = self._connections.pop(connection)  # the last that was heard
        if not connection.hear():
            self._drop(connection)
            return
        self._go_on(connection)

    def _go_on(self, connection: _Connection) -> None:
        """With the next event of the connection, if there is one; requests before it are answered here.

        In a loop: a peer may have sent thousands of them at once.
        """
        while True:
            try:
                whole = connection.read()
            except h11.RemoteProtocolError:
                self._drop(connection)
                return
            if not whole:
                return
            refusal = self._judge(connection)
            if refusal is None:
                self._arrived.append(connection)
                return
            if not connection.answer(*refusal):
                self._drop(connection)
                return

    def _judge(self, connection: _Connection) -> Refusal | None:
        request = connection.request
        token = self._settings.internal_token
        given = dict(request.headers).get(b"authorization", b"")
        if (request.method, request.target) != (b"POST", PATH):
            return UNKNOWN, b"POST /events"
        if connection.too_large:
            return TOO_LARGE, b"at most 64 KiB"
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return UNAUTHORISED, b"Authorization: the internal bearer token is needed"
        return None

    def _answer(self, connection: _Connection | None, status: int, text: bytes = b"") -> None:
        if connection is None or connection not in self._connections:
            return
        if connection.answer(status, text):
            self._go_on(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)
        self._arrived = [one for one in self._arrived if one is not connection]
        self._selector.unregister(connection.peer)
        connection.peer.close()

    def forget_in_child(self) -> None:
        """Closes this process's copies. Nothing is unregistered: the parent's selector is the same one."""
        for connection in self._connections:
            connection.peer.close()
        if self._listener is not None:
            self._listener.close()
        self._selector.close()


class _Connection:
    """One peer: a request at a time."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.request: h11.Request
        self.too_large = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=BODY_BYTES_MAX)
        self._body = bytearray()

    @property
    def text(self) -> str:
        return self._body.decode("utf-8", "replace")

    def hear(self) -> bool:
        """Reads what has come; False when the peer has ended the connection, or it broke."""
        try:
            data = self.peer.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self._http.receive_data(data)
        return bool(data)

    def read(self) -> bool:
        """True when a request is complete. Raises `h11.RemoteProtocolError`."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self.request, self.too_large = event, False
                self._body.clear()
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
            elif isinstance(event, h11.Data):
                self.too_large = self.too_large or len(self._body) + len(event.data) > BODY_BYTES_MAX
                if not self.too_large:
                    self._body += event.data
            else:
                return isinstance(event, h11.EndOfMessage)

    def answer(self, status: int, text: bytes) -> bool:
        """False when the connection is over with that."""
        headers = [("Content-Length", str(len(text)))] if status != TAKEN else []
        if status == ELSEWHERE:
            headers.append(("Retry-After", "1"))
        sent = self._send(
            h11.Response(status_code=status, headers=headers), h11.Data(data=text), h11.EndOfMessage()
        )
        if not sent or self._http.our_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def _send(self, *events: h11.Event) -> bool:
        data = b"".join(self._http.send(event) or b"" for event in events)
        try:
            self.peer.sendall(data)
        except OSError:  # it has gone, or does not read what it asked for
            return False
        return True


def _leave_to_the_parent(inbox: Inbox | None) -> None:
    if inbox is not None:
        inbox.forget_in_child()
