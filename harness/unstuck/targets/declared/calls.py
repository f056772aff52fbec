"""Carries out the calls of a target file, and reads their answers."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from unstuck.errors import TargetError, UsageError
from unstuck.targets.declared.agent_client import Agent, CallError
from unstuck.targets.declared.file import Call, CommandCall, HttpCall, PythonCall, RedisCall, SqlCall
from unstuck.targets.declared.hosts import check_filled, hosts_off_machine
from unstuck.targets.declared.templates import fill, fill_all

Address = tuple[str, int]
BODY_BYTES_MAX = 16 * 1024 * 1024
CUT_AFTER_S = 0.5  # beyond a statement's time, which the database itself watches as long as it can


class Caller:
    """Performs calls with the addresses that `address_of` gives; used from many threads.

    `values_of` knows the names of templates that are the same for all calls (it raises `KeyError`).
    """

    def __init__(
        self,
        *,
        address_of: Callable[[str], Address],
        values_of: Callable[[str], str],
        databases: Mapping[str, str],
        agent: Agent | None,
        hosts_allowed: frozenset[str] = frozenset(),
        logins: Mapping[str, Mapping[str, Any]] | None = None,
        read_only: bool = False,
    ) -> None:
        """`databases`: the database of each SQL dependency; `hosts_allowed`: those off this machine that
        may be asked. `logins`: what else a client of a dependency is made with (user, password, …);
        `read_only`: SQL is carried out where it can change nothing."""
        self._address_of = address_of
        self._values_of = values_of
        self._databases = databases
        self._agent = agent
        self._hosts_allowed = hosts_allowed
        self._logins = logins or {}
        self._read_only = read_only
        self._here = threading.local()
        self._redis: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()

    def perform(self, call: Call, values: Mapping[str, Any], timeout_s: float) -> Any:
        """The answer: a text, or what JSON carried. Raises `CallError`."""

        def value_of(name: str) -> str:
            if name in values:
                value = values[name]
                return str(value).lower() if isinstance(value, bool) else str(value)
            return self._values_of(name)

        match call:
            case CommandCall(command=command):
                assert self._agent is not None
                return self._agent.run([fill(word, value_of) for word in command], timeout_s)
            case PythonCall(function=function):
                assert self._agent is not None
                return self._agent.call(function, values, timeout_s)
            case HttpCall():
                return self._http(call, value_of, timeout_s)
            case RedisCall(dependency=name, command=command):
                return self._run_redis(name, [fill(word, value_of) for word in command], timeout_s)
            case SqlCall(dependency=name, statement=statement):
                return self._run_sql(name, fill(statement, value_of), timeout_s)

    def redis(self, name: str, database: int, timeout_s: float) -> Any:
        """A client of a Redis of the target; its own errors are the caller's."""
        library = _library("redis")
        key = (name, database)
        with self._lock:
            if key not in self._redis:
                host, port = self._address_of(name)
                # Newer ones send again what got no answer: that would be a second job of ours.
                once = library.retry.Retry(library.backoff.NoBackoff(), 0)
                self._redis[key] = library.Redis(
                    host=host, port=port, db=database, socket_timeout=timeout_s, socket_connect_timeout=2.0,
                    retry=once, **self._logins.get(name, {}),
                )  # fmt: skip
        return self._redis[key]

    def close(self) -> None:
        with self._lock:
            for client in self._redis.values():
                client.close()
            self._redis.clear()

    def _run_redis(self, name: str, words: list[str], timeout_s: float) -> Any:
        library = _library("redis")
        client = self.redis(name, 0, timeout_s)
        try:
            return plain(client.execute_command(*words))
        except library.exceptions.TimeoutError as error:
            raise CallError(f"{name}: {words[0]}: {error}", maybe=True) from None
        except library.exceptions.ConnectionError as error:
            raise CallError(f"{name}: {words[0]}: {error}", maybe=not _refused(error)) from None
        except library.exceptions.RedisError as error:
            raise CallError(f"{name}: {words[0]}: {error}", maybe=False) from None

    def _run_sql(self, name: str, statement: str, timeout_s: float) -> Any:
        library = _library("psycopg")
        from psycopg.rows import dict_row  # noqa: PLC0415  with the library

        host, port = self._address_of(name)
        options = f"-c statement_timeout={int(timeout_s * 1000)}"
        if self._read_only:
            options += " -c default_transaction_read_only=on"
        login = {"user": "postgres", **self._logins.get(name, {})}
        try:
            connection = library.connect(
                host=host, port=port, dbname=self._databases[name], autocommit=True,
                connect_timeout=max(2, int(timeout_s)), row_factory=dict_row, options=options, **login,
            )  # fmt: skip
        except library.Error as error:
            raise CallError(f"{name}: {_one_line(error)}", maybe=False) from None
        try:
            with connection, _cut_after(connection.fileno(), timeout_s + CUT_AFTER_S):
                cursor = connection.execute(statement)
                return cursor.fetchall() if cursor.description else []
        except library.OperationalError as error:
            raise CallError(f"{name}: {_one_line(error)}", maybe=True) from None
        except library.Error as error:
            raise CallError(f"{name}: {_one_line(error)}", maybe=False) from None

    def _http(self, call: HttpCall, value_of: Callable[[str], str], timeout_s: float) -> Any:
        library = _library("urllib3")
        pool = _pool()
        url = fill(call.url, value_of)
        check_filled("http", hosts_off_machine(url), self._hosts_allowed)
        told = f"{call.method} {_without_login(url)}"
        body = None if call.body is None else json.dumps(fill_all(call.body, value_of)).encode()
        headers = {name: fill(value, value_of) for name, value in call.headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        timeout = library.Timeout(connect=2.0, read=timeout_s)
        try:
            answer = pool.request(
                call.method, url, body=body, headers=headers, timeout=timeout, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            text = _read_whole(answer)
        except (library.exceptions.NewConnectionError, library.exceptions.ConnectTimeoutError) as error:
            raise CallError(f"{told}: {error}", maybe=False) from None
        except library.exceptions.HTTPError as error:
            raise CallError(f"{told}: {error}", maybe=True) from None
        if not 200 <= answer.status < 300:
            said = _one_line(text)[:200]
            raise CallError(
                f"{told}: answered {answer.status} {said}",
                maybe=answer.status >= 500,
                status=answer.status,
            )
        return text


def _without_login(url: str) -> str:
    """As it may be shown: the address of a running system may have a password in it."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


@contextmanager
def _cut_after(file: int, timeout_s: float) -> Iterator[None]:
    """Shuts a connection that takes longer. One to a database that is paused, or behind a link that swallows
    what comes, is not closed by anybody, and its library waits for ever."""
    with socket.socket(fileno=os.dup(file)) as ours:
        timer = threading.Timer(timeout_s, _shut, (ours,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _read_whole(answer: Any) -> str:
    """The body, up to `BODY_BYTES_MAX`; a connection with more to say is not used again."""
    body = answer.read(BODY_BYTES_MAX, decode_content=True)
    if answer.read(1):
        answer.close()
    answer.release_conn()
    return bytes(body).decode(errors="replace")


def find(path: str | None, answer: Any) -> Any:
    """What a JSONPath (or the name of a field) leads to in an answer; None: nothing. A text is JSON first.

    Raises `UsageError` for what is no JSONPath, `ValueError` for a text that is not JSON.
    """
    if path is None:
        return answer
    if isinstance(answer, str):
        answer = json.loads(answer)
    if not path.startswith("$"):
        return answer.get(path) if isinstance(answer, Mapping) else None
    values = _query(path).find(answer).values()
    return values[0] if values else None


def has(path: str, answer: Any) -> bool:
    """True when the path leads to something in an answer, be it null. Raises as `find`."""
    if not path.startswith("$"):
        return isinstance(answer, Mapping) and path in answer
    return len(_query(path).find(answer)) > 0


@cache
def _query(path: str) -> Any:
    library = _library("jsonpath_rfc9535")
    try:
        return library.compile(path)
    except library.JSONPathError as error:
        why = _one_line(error)
        raise UsageError(f"target: {path!r} is no JSONPath ({why}). Write it as `$.id`.") from None


def plain(value: Any) -> Any:
    """A reply of Redis as texts, lists and mappings."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


@cache
def _pool() -> Any:
    return _library("urllib3").PoolManager(num_pools=16, maxsize=16)


@cache
def _library(name: str) -> Any:
    """A library that only targets of one's own need. Raises `TargetError` with what to install."""
    import importlib  # noqa: PLC0415  only here

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise TargetError(
            f"the package {name!r} is missing, which this target file needs. "
            "Install it: pip install 'unstuck[targets]'."
        ) from None


def _refused(error: Exception) -> bool:
    return "refused" in str(error).lower()


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
