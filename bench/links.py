"""What a link costs: `python bench/links.py`.

Everything is measured against a direct connection in the same run, in turns, and the best of several
blocks counts: what else the machine does only ever slows. Prints one JSON object:

added_p50_us          p50 of a 64-byte echo through a raw link minus p50 of the direct one
ratio_p50             the same as a ratio to direct
cpu_per_round_trip_us CPU time of the proxy for one such round trip
bulk_mib_s            throughput of one connection, client to server: direct, and per framer
bulk_ratio            the same as ratios to direct
cpu_s_per_gib         CPU time of the proxy for one GiB, per framer
framed_cost           cpu_s_per_gib of a framer over that of raw
http_added_p50_us     as added_p50_us, for a small HTTP request and reply, framed; resp_…, amqp_… the same for
                      a command of Redis, and for a small publish and what its server might say to it
framed_p50_ratio      the link's p50 of such a round trip, framed, over the same bytes through raw
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter_ns

from unstuck.links.client import Links

MIB = 1024 * 1024
BLOCK = 500  # round trips
HTTP_REQUEST = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
HTTP_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
RESP_REQUEST = b"*3\r\n$5\r\nLPUSH\r\n$6\r\ncelery\r\n$10\r\n0123456789\r\n"
RESP_REPLY = b":1\r\n"
PROTOCOL = b"AMQP\x00\x00\x09\x01"
ROW = b"d" + struct.pack("!I", 1023) + b"x" * 1019  # copy data: 1 KiB, an ordinary row
BODY_BYTES = 131_064  # of a frame, as RabbitMQ's usual limit of 128 KiB allows


def amqp_frame(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BHI", kind, 1, len(payload)) + payload + b"\xce"


def amqp_publish(size: int) -> bytes:
    """A message of `size` bytes to the queue `celery`, in as few frames as there may be."""
    method = amqp_frame(1, struct.pack("!HHHBB", 60, 40, 0, 0, 6) + b"celery\0")
    header = amqp_frame(2, struct.pack("!HHQH", 60, 0, size, 0))
    sizes = [BODY_BYTES] * (size // BODY_BYTES) + [size % BODY_BYTES] * bool(size % BODY_BYTES)
    return method + header + b"".join(amqp_frame(3, b"x" * one) for one in sizes)


AMQP_REQUEST = amqp_publish(10)
AMQP_REPLY = amqp_frame(1, struct.pack("!HHQB", 60, 80, 1, 0))  # the confirm
GREETING = struct.pack("!BHIHH", 1, 0, 4, 10, 10) + b"\xce"
REPLIES = {RESP_REQUEST: RESP_REPLY, AMQP_REQUEST: AMQP_REPLY, HTTP_REQUEST: HTTP_REPLY}
STARTUP = struct.pack("!II", 8 + 10, 196608) + b"user\0a\0\0\0\0"


def serve(port: Connection) -> None:
    """Answers each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    port.send(listener.getsockname()[1])
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def answer(sock: socket.socket) -> None:
    """Echoes 64 bytes, answers HTTP, or swallows a bulk, as the first bytes say."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        data = sock.recv(MIB)
        if data == PROTOCOL:
            sock.sendall(GREETING)
            data = sock.recv(MIB)
        if data in REPLIES or len(data) == 64:
            while data:
                sock.sendall(REPLIES.get(data, data))
                data = sock.recv(65536)
        else:
            while sock.recv(MIB):
                pass
            sock.sendall(b"done")


@contextmanager
def running() -> Iterator[tuple[int, Links, int]]:
    """The server's port, the links, and the proxy's pid."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    command = [sys.executable, "-m", "unstuck.links"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        port = int(proxy.stdout.readline().rsplit(":", 1)[1])
        with Links.connect("127.0.0.1", port) as links:
            yield ours.recv(), links, proxy.pid
    server.kill()
    server.join()


def cpu_s(pid: int) -> float:
    """CPU time of a process; nanoseconds where the kernel counts them, else ticks."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def round_trips(sock: socket.socket, message: bytes, reply_size: int, count: int) -> list[int]:
    """Nanoseconds of each."""
    times = []
    for _ in range(count):
        start = perf_counter_ns()
        sock.sendall(message)
        left = reply_size
        while left:
            left -= len(sock.recv(65536))
        times.append(perf_counter_ns() - start)
    return times


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def latency(
    ports: dict[str, int], message: bytes, reply_size: int, rounds: int, pid: int
) -> dict[str, float]:
    """Interleaved blocks of round trips, direct and through the link; the best block of each."""
    p50_us: dict[str, list[float]] = {name: [] for name in ports}
    cpu_us: list[float] = []
    socks = {name: connect(port) for name, port in ports.items()}
    if message is AMQP_REQUEST:  # a connection begins with the name of the protocol
        for sock in socks.values():
            round_trips(sock, PROTOCOL, len(GREETING), 1)
    for _ in range(rounds):
        for name, sock in socks.items():
            before_s = cpu_s(pid)
            p50_us[name].append(statistics.median(round_trips(sock, message, reply_size, BLOCK)) / 1000)
            if name == "link":
                cpu_us.append((cpu_s(pid) - before_s) / BLOCK * 1e6)
    for sock in socks.values():
        sock.close()
    best = {name: min(values) for name, values in p50_us.items()}
    return {
        "direct_p50_us": best["direct"],
        "added_p50_us": best["link"] - best["direct"],
        "ratio_p50": best["link"] / best["direct"],
        "cpu_per_round_trip_us": min(cpu_us),
        **({"framed_p50_ratio": best["link"] / best["raw"]} if "raw" in best else {}),
    }


def bulk(port: int, prefix: bytes, block: bytes, size: int) -> float:
    """Seconds until the server has read `size` bytes and said so."""
    with connect(port) as sock:
        start = perf_counter_ns()
        sock.sendall(prefix)
        for _ in range(size // len(block)):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        while not sock.recv(65536).endswith(b"done"):
            pass
        return (perf_counter_ns() - start) / 1e9


def bulks(ports: dict[str, int], size: int, rounds: int, pid: int) -> dict[str, object]:
    """Throughput and CPU, interleaved, best of rounds (the machine's noise only ever slows)."""
    blob = os.urandom(MIB)
    length = size // MIB * MIB
    load: dict[str, tuple[bytes, bytes]] = {
        "direct": (b"", blob),
        "raw": (b"", blob),
        "http1": (b"PUT /big HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length, blob),
        "postgres": (STARTUP, ROW * 1024),
        "resp": (b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % length, blob),
        "amqp": (PROTOCOL, amqp_publish(MIB)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ports}
    cpu: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(rounds):
        for name, port in ports.items():
            before = cpu_s(pid)
            seconds[name].append(bulk(port, *load[name], length))
            cpu[name].append(cpu_s(pid) - before)
    gib = length / MIB / 1024
    best = {name: length / MIB / min(values) for name, values in seconds.items()}
    cost = {name: min(values) / gib for name, values in cpu.items() if name != "direct"}
    return {
        "bulk_mib_s": rounded(best),
        "bulk_ratio": rounded({name: value / best["direct"] for name, value in best.items()}),
        "cpu_s_per_gib": rounded(cost),
        "framed_cost": rounded({name: value / cost["raw"] for name, value in cost.items()}),
    }


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--bulk-mib", type=int, default=256)
    options = parser.parse_args()
    with running() as (port, links, pid):
        ports = {"direct": port}
        for framer in ("raw", "http1", "postgres", "resp", "amqp"):
            ports[framer] = links.open(f"bench.{framer}", "127.0.0.1", port, framer)[1]
        pick = {"direct": port, "link": ports["raw"]}
        report: dict[str, object] = dict(rounded(latency(pick, b"x" * 64, 64, options.rounds, pid)))
        for name, framer, request, reply in (
            ("http", "http1", HTTP_REQUEST, HTTP_REPLY),
            ("resp", "resp", RESP_REQUEST, RESP_REPLY),
            ("amqp", "amqp", AMQP_REQUEST, AMQP_REPLY),
        ):
            pick = {"direct": port, "raw": ports["raw"], "link": ports[framer]}
            framed = latency(pick, request, len(reply), options.rounds, pid)
            report |= {f"{name}_{figure}": round(value, 3) for figure, value in framed.items()}
        report |= bulks(ports, options.bulk_mib * MIB, max(2, options.rounds // 2), pid)
    print(json.dumps(report, indent=2))  # noqa: T201  its output


if __name__ == "__main__":
    main()
