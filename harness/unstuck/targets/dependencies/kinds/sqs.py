"""SQS, by an emulator. It serves the other of S3 and SQS as well: events of a bucket need both in one."""

from __future__ import annotations

from unstuck.targets.dependencies.emulator import INSTALL, OPTIONS, VALUES, contained, prepare
from unstuck.targets.dependencies.port import Framer

__all__ = ["FRAMER", "INSTALL", "KIND", "OPTIONS", "VALUES", "contained", "prepare"]

KIND = "sqs"
FRAMER: Framer = "http1"
