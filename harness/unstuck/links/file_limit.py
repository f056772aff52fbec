"""How many connections a proxy can hold."""

from __future__ import annotations

import contextlib
import resource


def raise_file_limit() -> None:
    """Each proxied connection takes two descriptors, and the default limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS: the hard limit may not be the true one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
