"""Tries a target of one's own step by step, before any fault is thrown at it, and says what to mend."""

from unstuck.doctor.examining import examine
from unstuck.doctor.steps import Examination, Step

__all__ = ["Examination", "Step", "examine"]
