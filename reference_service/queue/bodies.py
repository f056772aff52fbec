"""The text of an event, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def read_body(text: str) -> Mapping[str, Any]:
    """What is no JSON object comes as `{"raw": text}`."""
    try:
        body = json.loads(text)
    except ValueError:
        return {"raw": text}
    return body if isinstance(body, dict) else {"raw": text}
