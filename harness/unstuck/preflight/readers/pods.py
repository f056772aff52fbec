"""What Kubernetes and Cloud Run write alike: a list of containers, their probes, variables and limits.

Defaults of probes: every 10 s, 1 s to answer, 3 failures in a row
(https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/, and
the same for Cloud Run services: https://cloud.google.com/run/docs/configuring/healthchecks).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.model import Entry, Probe, Setting
from unstuck.preflight.yaml_tree import at, entries, items, text_of, texts
from unstuck.yaml_source import Node

PERIOD_S: Final = 10.0
TIMEOUT_S: Final = 1.0
FAILURES: Final = 3


def number(node: Node | None, default: float | None) -> float | None:
    """Seconds of a field; the default where it is not said; None where it cannot be read."""
    return default if node is None else units.seconds(text_of(node))


def probe(container: Node, name: str) -> Probe | None:
    """A container's probe; None where it has none."""
    node = at(container, name)
    if node is None or not entries(node):
        return None
    failures = at(node, "failureThreshold")
    period_s = number(at(node, "periodSeconds"), PERIOD_S)
    words = texts(at(node, "exec", "command"))
    path = text_of(at(node, "httpGet", "path")) if at(node, "httpGet") is not None else None
    return Probe(
        line=node.line,
        text=name,
        period_s=period_s,
        timeout_s=number(at(node, "timeoutSeconds"), TIMEOUT_S),
        failures=FAILURES if failures is None else units.whole(text_of(failures)),
        path=path or ("/" if at(node, "httpGet") is not None else None),
        words=words,
    )


def entry(container: Node) -> Entry | None:
    """`command` and `args`; None where neither is said: then the image's own counts."""
    node = at(container, "command") or at(container, "args")
    words = (*texts(at(container, "command")), *texts(at(container, "args")))
    if node is None or not words:
        return None
    return Entry(text=f"command={list(words)}", words=words, line=node.line)


def environment(container: Node) -> Mapping[str, Setting[str]]:
    """The variables by name; one that comes from elsewhere (`valueFrom`) has no value here."""
    found: dict[str, Setting[str]] = {}
    for one in items(at(container, "env")):
        name = text_of(at(one, "name"))
        if name is not None:
            value = at(one, "value")
            text = text_of(value)
            line = one.line if value is None else value.line
            found[name] = Setting(value=text, line=line, text=f"{name}={text or '…'}")
    return found


def memory_limit(container: Node) -> Setting[float] | None:
    """`resources.limits.memory` in MiB."""
    node = at(container, "resources", "limits", "memory")
    text = text_of(node)
    if node is None or text is None:
        return None
    value = units.mebibytes(text, decimal=True)
    return Setting(value=value, line=node.line, text=f"limits.memory={text}")


def pre_stop_s(container: Node) -> float:
    """For how long the preStop hook sleeps, which is taken from the grace: `sleep` as an action or a command.

    https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
    """
    slept = units.seconds(text_of(at(container, "lifecycle", "preStop", "sleep", "seconds")))
    words = " ".join(texts(at(container, "lifecycle", "preStop", "exec", "command"))).split()
    for before, word in pairwise(words):
        if before.endswith("sleep"):
            slept = units.seconds(word.strip(";\"'"))
    return slept or 0.0
