"""`python -m unstuck`, the same as `unstuck`."""

from __future__ import annotations

from unstuck.cli import program

if __name__ == "__main__":
    program()
