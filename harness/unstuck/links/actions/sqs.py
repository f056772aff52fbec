"""What SQS says when it accepts messages, in both of its protocols (JSON 1.0 and query/XML)."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from unstuck.links.framers.http1 import HttpExchange

SEND, SEND_BATCH = "AmazonSQS.SendMessage", "AmazonSQS.SendMessageBatch"
LABELS = frozenset({SEND, SEND_BATCH})


class Accepted(NamedTuple):
    """A reply, and the message ids that it invents."""

    body: bytes
    headers: Mapping[str, str]
    message_ids: list[str]


def accept(exchange: HttpExchange, ids: Iterator[str]) -> Accepted:
    """Success for every message of the request, with the digests that clients verify."""
    if "x-amz-target" in exchange.headers:
        return _accept_json(exchange, ids)
    return _accept_query(exchange, ids)


def _accept_json(exchange: HttpExchange, ids: Iterator[str]) -> Accepted:
    request = json.loads(exchange.body or b"{}")
    entries = request.get("Entries", []) if exchange.label == SEND_BATCH else [request]
    results = [_result(entry, next(ids)) for entry in entries]
    message_ids = [result["MessageId"] for result in results]
    body: dict[str, Any] = (
        {"Successful": results, "Failed": []} if exchange.label == SEND_BATCH else results[0]
    )
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": next(ids)}
    return Accepted(json.dumps(body).encode(), headers, message_ids)


def _accept_query(exchange: HttpExchange, ids: Iterator[str]) -> Accepted:
    fields = dict(parse_qsl(exchange.body.decode("utf-8", "replace"), keep_blank_values=True))
    batch = exchange.label == SEND_BATCH
    prefixes = [""]
    if batch:
        numbers = sorted({int(name.split(".")[1]) for name in fields if name.endswith(".Id")})
        prefixes = [f"SendMessageBatchRequestEntry.{number}." for number in numbers]
    results = [_result(_query_entry(fields, prefix), next(ids)) for prefix in prefixes]
    parts = [
        "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items()) for result in results
    ]
    operation = "SendMessageBatch" if batch else "SendMessage"
    if batch:
        parts = [f"<SendMessageBatchResultEntry>{part}</SendMessageBatchResultEntry>" for part in parts]
    xml = (
        f'<?xml version="1.0"?><{operation}Response xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
        f"<{operation}Result>{''.join(parts)}</{operation}Result>"
        f"<ResponseMetadata><RequestId>{next(ids)}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Accepted(xml.encode(), {"Content-Type": "text/xml"}, [result["MessageId"] for result in results])


def _query_entry(fields: Mapping[str, str], prefix: str) -> dict[str, Any]:
    attributes: dict[str, dict[str, str]] = {}
    number = 1
    while name := fields.get(f"{prefix}MessageAttribute.{number}.Name"):
        value = f"{prefix}MessageAttribute.{number}.Value."
        keys = ("DataType", "StringValue", "BinaryValue")
        attributes[name] = {key: fields[value + key] for key in keys if value + key in fields}
        number += 1
    entry: dict[str, Any] = {"MessageBody": fields.get(f"{prefix}MessageBody", "")}
    if prefix:
        entry["Id"] = fields.get(f"{prefix}Id", "")
    return {**entry, "MessageAttributes": attributes}


def _result(entry: Mapping[str, Any], message_id: str) -> dict[str, str]:
    result = {"MessageId": message_id, "MD5OfMessageBody": _md5(str(entry.get("MessageBody", "")).encode())}
    if entry.get("MessageAttributes"):
        result["MD5OfMessageAttributes"] = md5_of_attributes(entry["MessageAttributes"])
    if "Id" in entry:
        result["Id"] = str(entry["Id"])
    return result


def md5_of_attributes(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """The digest of message attributes, as the SQS developer guide defines it ("Calculating the MD5
    message digest for message attributes")."""

    def sized(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    encoded = b""
    for name, value in sorted(attributes.items()):
        encoded += sized(name.encode()) + sized(value["DataType"].encode())
        if value["DataType"].startswith("Binary"):
            encoded += b"\x02" + sized(b64decode(value["BinaryValue"]))
        else:
            encoded += b"\x01" + sized(value["StringValue"].encode())
    return _md5(encoded)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
