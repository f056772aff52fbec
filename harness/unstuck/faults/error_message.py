"""Answers a message with an error in the dependency's own words, and does not forward it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Error

NAME = "error_message"
NEEDS = frozenset({"links"})
LANDS = "the proxy answered with the error, and the message never reached the dependency"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`status` is for HTTP. `code`: AWS's name of the error, a SQLSTATE, the first word of a Redis error
    (`LOADING`), the number of an AMQP reply; None: the dependency's own word for "not now"."""

    status: int = 503
    code: str | None = None
    message: str = "injected by a fault"


def message_action(parameters: Parameters) -> Error:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Error(status=parameters.status, code=parameters.code, message=parameters.message)


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("error")


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
