"""Names that are stable from run to run: what looks like the identity of one job or process is collapsed."""

from __future__ import annotations

import re
from functools import lru_cache

_IDENTITY = re.compile(
    r"""\d+                                        # a number
      | [0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}
      | (?=.*\d)[0-9a-fA-F]{8,}                    # hex with a digit in it
      | [a-z]{1,12}[-_](?=.*\d)[0-9A-Za-z_-]+      # j-17, job_01HX…
      | (?=.*\d)(?=.*[A-Za-z])[0-9A-Za-z]{16,}     # ULID and the like""",
    re.VERBOSE,
)
_WITHIN = re.compile(
    r"""(?<![0-9A-Za-z])(?:
        [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}
      | \d+
      | (?=[0-9A-Fa-f]*\d)[0-9A-Fa-f]{8,}
      | (?=[A-Za-z]*\d)(?=\d*[A-Za-z])[0-9A-Za-z]{16,}
      | \d+[A-Za-z][0-9A-Za-z]{2,}                 # 01hx7
    )(?![0-9A-Za-z])""",
    re.VERBOSE,
)
_SEVERAL = re.compile(r"\*(?:[-_.]\*)+")
NAME_CHARS_MAX = 80


@lru_cache(maxsize=4096)
def path_template(path: str) -> str:
    """The path with what looks like an identity replaced: `/jobs/j-17/complete` → `/jobs/{id}/complete`."""
    return "/".join("{id}" if _IDENTITY.fullmatch(part) else part for part in path.split("/"))


@lru_cache(maxsize=4096)
def collapse(name: str) -> str:
    """A key or the name of a queue without identities: `rq:job:0192f0c1-…` → `rq:job:*`.

    Words stay, also with a digit behind them (`stage2`). What stands for no character becomes `:`.
    """
    spaced = "".join(char if char.isprintable() else " " for char in name[:NAME_CHARS_MAX])
    return _SEVERAL.sub("*", _WITHIN.sub("*", ":".join(spaced.split())))
