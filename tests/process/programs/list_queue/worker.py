"""A worker that loses jobs: BRPOP takes one out of Redis before anybody has it. With SAFE=1 it does not."""

import os
import socket
import sys

SAFE = os.environ.get("SAFE") == "1"


class Redis:
    """As much of a client as the worker needs."""

    def __init__(self, host: str, port: int) -> None:
        self._file = socket.create_connection((host, port)).makefile("rwb")

    def do(self, *words: str) -> str | None:
        self._file.write(b"*%d\r\n" % len(words))
        for word in words:
            self._file.write(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()))
        self._file.flush()
        return self._reply()

    def _reply(self) -> str | None:
        line = self._file.readline().decode().rstrip("\r\n")
        if not line or line[0] == "-":
            raise ConnectionError(line)
        if line[0] == "*":
            return [self._reply() for _ in range(int(line[1:]))][-1] if line != "*-1" else None
        if line[0] == "$":
            return self._file.read(int(line[1:]) + 2)[:-2].decode() if line != "$-1" else None
        return line[1:]


def report(event: str, job: str) -> None:
    with open(os.environ["UNSTUCK_LEDGER_FILE"], "a", encoding="ascii") as ledger:
        ledger.write(f"{event} {job}\n")


def main(host: str, port: str) -> None:
    redis = Redis(host, int(port))
    while SAFE and redis.do("RPOPLPUSH", "working", "jobs"):
        pass  # what was under way when the last one died
    print("ready", flush=True)
    while True:
        job = redis.do("BRPOPLPUSH", "jobs", "working", "1") if SAFE else redis.do("BRPOP", "jobs", "1")
        if job is None:
            continue
        report("begin", job)
        report("end", job)
        redis.do("SET", f"done:{job}", "1")
        if SAFE:
            redis.do("LREM", "working", "1", job)


main(*sys.argv[1:])
