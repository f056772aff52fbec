"""`ports.Objects`: one suite for the fake and for S3 over HTTP, on each emulator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from reference_service.aws import AwsAccess
from reference_service.clock import SystemClock
from reference_service.fakes import MemoryObjects
from reference_service.objects import S3Objects
from reference_service.ports import ObjectChanged, ObjectMissing, Objects, Rejected, Unavailable
from tests.conformance.reference.conftest import client

pytestmark = pytest.mark.process
KINDS = ["memory", "ministack", "moto"]
PART_BYTES = 5 * 1024 * 1024  # S3 takes no smaller one but the last


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, new_name: Callable[[str], str]) -> Iterator[Objects]:
    if request.param == "memory":
        yield MemoryObjects(SystemClock())
        return
    endpoint = request.getfixturevalue("servers").emulator(request.param).url
    access = AwsAccess(endpoint=endpoint, region="us-east-1", key_id="test", secret="test")
    bucket = new_name("bucket")
    s3: Any = client("s3", access)
    s3.create_bucket(Bucket=bucket)
    s3.close()
    one = S3Objects(bucket, access)
    yield one
    one.close()


def put_through(store: Objects, url: str, body: bytes) -> None:
    """What a client does with a presigned URL."""
    if isinstance(store, MemoryObjects):
        store.client_put(url, body)
        return
    with urllib3.PoolManager() as http:
        answer = http.request("PUT", url, body=body)
        assert answer.status == 200, answer.data


def test_bytes_come_back(store: Objects) -> None:
    """As they were put, with size and ETag; the last writer wins."""
    store.put_bytes("a/b c+d.json", b"old", "application/json")
    store.put_bytes("a/b c+d.json", b"hello", "application/json")
    assert store.get_bytes("a/b c+d.json") == b"hello"
    facts = store.head("a/b c+d.json")
    assert facts is not None
    assert (facts.size_bytes, facts.etag) == (5, "5d41402abc4b2a76b9719d911017c592")


def test_files_come_back(store: Objects, tmp_path: Path) -> None:
    """Streamed from and to the disk; an empty one, too."""
    for body in (b"x" * 3_000_000, b""):
        (tmp_path / "in").write_bytes(body)
        store.put_file("some/file", tmp_path / "in", "video/mp4")
        store.get_file("some/file", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == body


def test_a_file_is_taken_only_as_the_one_that_was_meant(store: Objects, tmp_path: Path) -> None:
    """By its ETag: once it is overwritten, `ObjectChanged`, and nothing is written."""
    store.put_bytes("some/file", b"first", "video/mp4")
    facts = store.head("some/file")
    assert facts is not None
    store.get_file("some/file", tmp_path / "out", etag=facts.etag)
    assert (tmp_path / "out").read_bytes() == b"first"
    store.put_bytes("some/file", b"second", "video/mp4")
    with pytest.raises(ObjectChanged):
        store.get_file("some/file", tmp_path / "other", etag=facts.etag)
    assert not (tmp_path / "other").exists()
    with pytest.raises(ObjectMissing):
        store.get_file("none", tmp_path / "other", etag=facts.etag)


def test_what_is_not_there_is_missing(store: Objects, tmp_path: Path) -> None:
    """None from head, `ObjectMissing` from the rest; deleting it is fine."""
    assert store.head("none") is None
    with pytest.raises(ObjectMissing):
        store.get_bytes("none")
    with pytest.raises(ObjectMissing):
        store.get_file("none", tmp_path / "out")
    store.delete("none")
    store.delete_prefix("none/")


def test_a_prefix_is_deleted_and_nothing_else(store: Objects) -> None:
    """More than one page of it would hold."""
    for number in range(12):
        store.put_bytes(f"job-1/{number}", b"x", "x")
    store.put_bytes("job-10/x", b"x", "x")
    store.delete_prefix("job-1/")
    assert store.head("job-1/3") is None
    assert store.head("job-10/x") is not None


def test_a_presigned_url_takes_a_client_s_file(store: Objects) -> None:
    """Without credentials of its own."""
    put_through(store, store.presign_put("uploads/j/source", expires_s=60), b"video")
    assert store.get_bytes("uploads/j/source") == b"video"


def test_a_multipart_upload_is_put_together(store: Objects) -> None:
    """In the parts' order; it is an object only when completed, and completing again changes nothing."""
    upload = store.create_multipart("big")
    bodies = {1: b"a" * PART_BYTES, 2: b"b"}
    for number in (2, 1):
        put_through(store, store.presign_part("big", upload, number, expires_s=60), bodies[number])
    found = store.parts("big", upload)
    assert [(part.number, part.size_bytes) for part in found] == [(1, PART_BYTES), (2, 1)]
    assert abs(found[0].last_modified - SystemClock().now()) < 60
    assert store.head("big") is None
    store.complete_multipart("big", upload)
    store.complete_multipart("big", upload)
    assert store.get_bytes("big") == bodies[1] + bodies[2]
    assert store.parts("big", upload) == []


def test_a_multipart_upload_is_aborted(store: Objects) -> None:
    """Nothing is left of it; aborting again, or completing it, changes nothing."""
    upload = store.create_multipart("big")
    put_through(store, store.presign_part("big", upload, 1, expires_s=60), b"abc")
    store.abort_multipart("big", upload)
    store.abort_multipart("big", upload)
    store.complete_multipart("big", upload)
    assert store.parts("big", upload) == []
    assert store.head("big") is None


def test_parts_that_can_make_no_object_are_no_outage(store: Objects) -> None:
    """A first part below S3's least size: some say so only now. The upload is there or not, without error."""
    upload = store.create_multipart("small")
    for number in (1, 2):
        put_through(store, store.presign_part("small", upload, number, expires_s=60), b"x")
    store.complete_multipart("small", upload)
    assert store.head("small") is None or store.get_bytes("small") == b"xx"


def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    """A condition to wait for, not a bug."""
    access = AwsAccess(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="a", secret="b")
    store = S3Objects("bucket", access)
    with pytest.raises(Unavailable):
        store.head("x")
    store.close()


@contextmanager
def store_that_answers(status: int, length: int, body: bytes) -> Iterator[S3Objects]:
    """A store with one answer for everything, which ends its connections behind it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", '"e"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        store = S3Objects("b", AwsAccess(endpoint=endpoint, region="us-east-1", key_id="a", secret="b"))
        yield store
        store.close()
        server.shutdown()


def test_a_store_that_goes_while_a_file_is_read_is_unavailable(tmp_path: Path) -> None:
    """1. the head of the answer is there, 2. a part of the body, 3. the connection ends."""
    with store_that_answers(200, 9000, b"x" * 100) as store, pytest.raises(Unavailable):
        store.get_file("x", tmp_path / "x")


@pytest.mark.parametrize(("code", "rejected"), [("AccessDenied", True), ("RequestTimeTooSkewed", False)])
def test_a_store_that_denies_us_is_there(code: str, rejected: bool, tmp_path: Path) -> None:
    """Which is not to say that nobody else gets anything."""
    body = f"<Error><Code>{code}</Code></Error>".encode()
    with store_that_answers(403, len(body), body) as store, pytest.raises(Unavailable) as caught:
        store.get_file("x", tmp_path / "x")
    assert isinstance(caught.value, Rejected) is rejected
