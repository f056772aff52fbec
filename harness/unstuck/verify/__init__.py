"""Before a deploy of the reference service: does the new version bear the old one beside it, and after it?

Four runs on PostgreSQL, each an ordinary scenario with both versions in it, a life on one SQLite file, and
the words that the new version may leave behind. What came of them is a checklist, line by line with its
evidence.
"""

from unstuck.verify.checklist import Checklist, Line, LineState
from unstuck.verify.verifying import Order, verify

__all__ = ["Checklist", "Line", "LineState", "Order", "verify"]
