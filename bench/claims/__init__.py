"""Each claim that was made about the five systems: held, refuted, undecided, or not testable here.

A module of this folder that has `CLAIMS` belongs to the incident of its name, and is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil

from bench.claims.claim import Claim


def all_claims() -> tuple[Claim, ...]:
    """Of every module here, by incident, each in its own order. Raises `ValueError` for an id twice."""
    found: list[Claim] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(loaded, "CLAIMS", ())
    ids = [claim.id for claim in found]
    for one in ids:
        if ids.count(one) > 1:
            raise ValueError(f"claim {one!r} is there {ids.count(one)} times")
    return tuple(found)
