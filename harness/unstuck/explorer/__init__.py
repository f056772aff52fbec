"""Walks through the crash points of one job: each message that matters, before it goes on and on its reply.

`messages` reads what the links saw, `points` says which places can be found again, `trials` makes a scenario
of each, `exploring` runs them, `outcomes` says what became of the job.
"""
