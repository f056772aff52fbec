"""The vision client against the stub that ships with the service, and against bad answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import pytest
import urllib3

from reference_service import media
from reference_service.ports import InvalidMedia, Rejected, Unavailable
from reference_service.stages.jpeg import JpegWriter
from reference_service.vision import HttpVision, serve
from reference_service.vision.stub import PICTURE_BYTES_MAX, caption


def jpeg(width: int, height: int, luma: int) -> bytes:
    frame = av.VideoFrame(width, height, "gray")
    frame.planes[0].update(bytes([luma]) * frame.planes[0].buffer_size)
    return JpegWriter(width, height).encode(frame)


@pytest.fixture(scope="module")
def stub():
    """The stub as its own process: (process, URL)."""
    root = Path(media.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", "from reference_service.vision import serve; serve(port=0)"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
        text=True,
    )
    assert process.stdout
    with process.stdout as output:
        line = output.readline()
        assert "ready" in line
        yield line.split()[-1]
        process.terminate()
        assert process.wait(timeout=10) == 0  # at once: an idle client would be kept for 30 s


@pytest.fixture
def vision():
    """`vision(url)`: a client that is closed after the test."""
    clients = []

    def build(url, **options):
        clients.append(HttpVision(url, **options))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


def test_caption_depends_on_the_picture_only(stub, vision):
    """The same picture has the same caption each time; a brighter one has another."""
    client = vision(stub)
    dark, bright = jpeg(64, 48, 30), jpeg(64, 48, 150)
    assert client.caption(dark) == client.caption(dark) == caption(dark)
    assert client.caption(dark).startswith("A dark picture of 64 by 48 pixels")
    assert client.caption(bright).startswith("A bright picture")


def test_stub_says_that_it_is_ready(stub):
    """Readiness and liveness answer 200, other paths 404."""
    with urllib3.PoolManager() as pool:
        assert [pool.request("GET", stub + path).status for path in ("/readyz", "/livez", "/no")] == [
            200,
            200,
            404,
        ]


def test_stub_refuses_what_is_no_jpeg(stub, vision):
    """A body that is no JPEG is answered 400: no other attempt would fare better with it."""
    with pytest.raises(InvalidMedia, match="status 400"):
        vision(stub).caption(b"not a picture")


def test_stub_refuses_a_huge_body_unread(stub):
    """A body beyond the limit is refused by its announced length."""
    host, port = stub.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(f"POST /caption HTTP/1.1\r\nContent-Length: {PICTURE_BYTES_MAX + 1}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_stub_listens_on_loopback_only(host):
    """Any other address is refused unless it was asked for."""
    with pytest.raises(ValueError, match="not loopback"):
        serve(host, 0)


def test_nobody_listening_is_unavailable(vision):
    """A refused connection is `Unavailable`."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable, match="vision"):
        vision(f"http://127.0.0.1:{port}").caption(b"")


def test_silence_is_unavailable_in_time(vision):
    """A server that takes the request and never answers is given up after the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            vision(f"http://127.0.0.1:{silent.getsockname()[1]}", answer_s=0.1).caption(b"")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (500, b'{"caption": "x"}', "status 500"),
        (503, b"", "status 503"),
        (408, b"", "status 408"),
        (429, b"", "status 429"),
        (302, b"", "status 302"),
        (200, b"not json", "no caption"),
        (200, b"[]", "no caption"),
        (200, b"{}", "no caption"),
        (200, b'{"caption": 7}', "no text"),
        (200, b" " * 70_000, "more than 65536 bytes"),
        *((status, b"{}", f"status {status}") for status in (400, 413, 415, 422, 401, 403, 404)),
    ],
)
def test_bad_answers_say_whether_to_ask_again(vision, status, body, text):
    """In one line. What is said of the picture is permanent, and a refusal is not somebody's absence."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises((Unavailable, InvalidMedia), match=text) as caught:
            vision(f"http://127.0.0.1:{server.server_address[1]}").caption(b"jpeg")
        thread.join()
    assert isinstance(caught.value, InvalidMedia) is (status in {400, 413, 415, 422})
    assert isinstance(caught.value, Rejected) is (status in {401, 403, 404})
    assert "\n" not in str(caught.value)


def test_client_needs_no_pyav():
    """Roles that only ask for captions do not load the media libraries."""
    code = "import reference_service.vision, sys; print('av' in sys.modules)"
    root = Path(media.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_another_process_makes_its_own_connection(stub, vision, monkeypatch):
    """A client that was used before a fork does not share its connections with the child."""
    client = vision(stub)
    client.caption(jpeg(64, 48, 30))
    parents = client._pool.own()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert client._pool.own() is not parents
        client.close()
    parents.clear()
