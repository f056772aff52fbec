"""Before a deploy of the reference service: is the new version safe to put beside, over and under the old one?

Four runs on PostgreSQL, each an ordinary scenario with both versions in it, a life on one SQLite file, and the
words that the new version may leave behind. What came of them is a checklist, each line with its evidence.
"""

from unstuck.verify.checklist import Checklist, Line, LineState
from unstuck.verify.verifying import Order, verify

__all__ = ["Checklist", "Line", "LineState", "Order", "verify"]
