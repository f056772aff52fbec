"""What a plan asks for and no engine can do, which the loader of scenarios cannot know."""

from __future__ import annotations

from unstuck.errors import UsageError
from unstuck.faults import FAULTS
from unstuck.scenario import Fault, OnMessage


def refuse(index: int, fault: Fault) -> None:
    """Raises `UsageError` for what the loader cannot know to be impossible."""
    where = f"faults[{index}]: {fault.name}"
    on_message = isinstance(fault.when, OnMessage)
    if hasattr(FAULTS[fault.name], "message_action") and not on_message:
        raise UsageError(f"{where} is done by a link. Give it `when: {{message: …, link: …}}`.")
    if on_message and fault.times == "each":
        raise UsageError(f"{where}: times='each' is not possible at a message. Name each with `nth`.")
