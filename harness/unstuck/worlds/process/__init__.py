"""The default world: real processes on the loopback, supervised by one guardian for each run.

    harness ── zygote (one for a session) ── guardian (one for a run) ── roles, dependencies

`residue` says who cleans up when which of them dies.
"""
