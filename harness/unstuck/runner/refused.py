"""What no run can do, said before anything starts."""

from __future__ import annotations

from unstuck.errors import UsageError
from unstuck.faults import FAULTS
from unstuck.links.rules import REQUEST_ONLY
from unstuck.scenario import Fault, OnMessage


def refuse_impossible(index: int, fault: Fault) -> None:
    """Raises `UsageError` for what the loader cannot know to be impossible."""
    where = f"faults[{index}]: {fault.name}"
    on_message = isinstance(fault.when, OnMessage)
    make = getattr(FAULTS[fault.name], "message_action", None)
    action = make(fault.parameters).kind if make else None
    if hasattr(FAULTS[fault.name], "message_action") and not on_message:
        raise UsageError(f"{where} is done by a link. Give it `when: {{message: …, link: …}}`.")
    if isinstance(fault.when, OnMessage) and fault.when.on == "reply" and action in REQUEST_ONLY:
        raise UsageError(f"{where} acts on requests, and has no meaning on a reply. Drop `on: reply`.")
    if on_message and fault.times == "each":
        raise UsageError(
            f"{where}: times='each' is not possible at a message. Name one with `nth`, or some with `first`."
        )
