"""Unstuck: a chaos and resilience test harness for services that process jobs."""

__version__ = "0.1.0"
