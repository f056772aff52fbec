"""A module whose import takes for ever; it says by a file when it has begun."""

from __future__ import annotations

import os
import threading
from pathlib import Path

if "UNSTUCK_TEST_BEGUN" in os.environ:  # unless pytest or a checker looks at it
    Path(os.environ["UNSTUCK_TEST_BEGUN"]).touch()
    threading.Event().wait()
