"""An invented acceptance looks like SQS: fresh ids and the digests that clients verify."""

from __future__ import annotations

import hashlib
import json
from xml.etree import ElementTree as ET

from unstuck.links.actions.sqs import accept, md5_of_attributes
from unstuck.links.framers.http1 import HttpExchange
from unstuck.links.framers.http1_labels import label_of


def exchange(headers: dict[str, str], body: bytes) -> HttpExchange:
    made = HttpExchange(number=1, offset=0, method="POST", target="/", headers=headers)
    made.body = body
    made.label = label_of("POST", "/", headers, body)
    return made


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


JSON = {"x-amz-target": "AmazonSQS.SendMessage"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_json_send_message() -> None:
    """One id and the MD5 of the body."""
    accepted = accept(exchange(JSON, json.dumps({"MessageBody": "héllo"}).encode()), iter(["id-1", "id-2"]))
    body = json.loads(accepted.body)
    assert body == {"MessageId": "id-1", "MD5OfMessageBody": md5("héllo")}
    assert accepted.message_ids == ["id-1"]


def test_json_batch() -> None:
    """Each entry succeeds under its own id."""
    entries = [{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}]
    headers = {"x-amz-target": "AmazonSQS.SendMessageBatch"}
    accepted = accept(exchange(headers, json.dumps({"Entries": entries}).encode()), iter("xyz"))
    body = json.loads(accepted.body)
    assert [(entry["Id"], entry["MessageId"]) for entry in body["Successful"]] == [("a", "x"), ("b", "y")]
    assert accepted.message_ids == ["x", "y"]


def test_query_send_message() -> None:
    """The same in XML, with special characters."""
    form = b"Action=SendMessage&Version=2012-11-05&MessageBody=a%26%3Cb%3E"
    accepted = accept(exchange(FORM, form), iter(["id-1", "request"]))
    texts = [element.text for element in ET.fromstring(accepted.body).iter()]
    assert "id-1" in texts
    assert md5("a&<b>") in texts


def test_query_batch() -> None:
    """Entries come in the order of their numbers."""
    entry = "SendMessageBatchRequestEntry"
    form = (
        f"Action=SendMessageBatch&Version=2012-11-05&{entry}.2.Id=b&{entry}.2.MessageBody=2"
        f"&{entry}.1.Id=a&{entry}.1.MessageBody=1"
    )
    accepted = accept(exchange(FORM, form.encode()), iter("xyz"))
    root = ET.fromstring(accepted.body)
    assert [element.text for element in root.iter() if element.tag.endswith("}Id")] == ["a", "b"]


def test_attributes_have_the_digest_of_the_developer_guide() -> None:
    """Computed here byte by byte for one string attribute."""
    encoded = b"\0\0\0\4kind" + b"\0\0\0\6String" + b"\1" + b"\0\0\0\3job"
    expected = hashlib.md5(encoded, usedforsecurity=False).hexdigest()
    assert md5_of_attributes({"kind": {"DataType": "String", "StringValue": "job"}}) == expected
