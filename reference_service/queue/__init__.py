"""The queues: events that hurry; the database decides."""

from reference_service.queue.sqs import SqsQueue

__all__ = ["SqsQueue"]
