"""Captions for pictures: the client of a vision API, and a small stub of such an API."""

from reference_service.vision.client import HttpVision
from reference_service.vision.stub import serve

__all__ = ["HttpVision", "serve"]
