"""The shell of every page: one file, verdict first, that asks nothing of the network.

The only scripts that may run are ours, named by their hashes; what came from outside is in no script.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from unstuck.report.markup import Child, Markup, tag, trusted

_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'"


def page(title: str, body: Sequence[Child], *, scripts: Sequence[str]) -> str:
    """A whole page. `scripts` are names of files beside this module."""
    sources = [_asset(name) for name in scripts]
    hashes = " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in sources)
    policy = f"{_NOTHING}; style-src 'unsafe-inline'; script-src {hashes}"
    head = tag(
        "head",
        trusted('<meta charset="utf-8"/>'),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", trusted(_asset("report.css"))),
    )
    ends = [tag("script", trusted(text)) for text in sources]
    whole = tag("html", head, tag("body", tag("main", *body), *ends), lang="en")
    return f"<!doctype html>\n{whole}\n"


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def header(word: str, title: str, took: str, about: str) -> Markup:
    """The verdict, what was run, how long it took, what it is about."""
    return tag(
        "header",
        tag("p", badge(word), tag("span", f"took {took}", class_="soft"), class_="verdict"),
        tag("h1", title),
        tag("p", about) if about else None,
        class_=word,
    )


def badge(word: str, text: str | None = None) -> Markup:
    """A verdict by colour, sign and word, so that none of them is needed alone."""
    return tag("span", text or word, class_=f"word {word.replace(' ', '-')}")


def command(text: str) -> Markup:
    """A command to be run again, and to be copied by a button where scripts run."""
    return tag(
        "div",
        tag("code", text),
        tag("button", "copy", type="button", class_="copy", hidden=""),
        class_="command",
    )


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    narrow: Sequence[int] = (),
    numbers: Sequence[int] = (),
    picked: Sequence[str] = (),
    ids: Sequence[str | None] = (),
    kind: str | None = None,
) -> Markup:
    """A table that becomes a list on a narrow screen. `picked`: of each row, by what it can be chosen."""

    def shape(column: int) -> str | None:
        return "number" if column in numbers else "narrow" if column in narrow else None

    body = [
        tag(
            "tr",
            *(tag("td", cell, class_=shape(n), data_label=heads[n]) for n, cell in enumerate(row)),
            data_k=picked[nth] if picked else None,
            id=ids[nth] if ids else None,
        )
        for nth, row in enumerate(rows)
    ]
    head = tag("tr", *(tag("th", text, class_=shape(n), scope="col") for n, text in enumerate(heads)))
    return tag(
        "div", tag("table", tag("thead", head), tag("tbody", *body)), class_=f"wide {kind or ''}".strip()
    )
