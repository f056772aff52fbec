"""Jobs of a system that is running somewhere already: which of them are stuck, and asking it to take them up.

Nothing is started but the calls of the target file, and nothing is struck. Looks are read-only.
"""

from unstuck.stuck.judging import Found, Judged, judge
from unstuck.stuck.listing import Listed, list_jobs, not_listed
from unstuck.stuck.places import Place, find_places
from unstuck.stuck.rescuing import Rescued, rescue_all
from unstuck.stuck.system import RunningSystem

__all__ = [
    "Found",
    "Judged",
    "Listed",
    "Place",
    "Rescued",
    "RunningSystem",
    "find_places",
    "judge",
    "list_jobs",
    "not_listed",
    "rescue_all",
]
