"""The default world: real processes on the loopback, supervised by one guardian for each run.

    harness ── zygote (one for a session) ── guardian (one for a run) ── roles, dependencies

`residue` says who cleans up when which of them dies.

What degrades where a kernel is not Linux: nobody adopts orphans, so a descendant that leaves its tree by
a double fork is not found at the end; every entry is executed, none is forked; a memory limit is
RLIMIT_AS; use of memory is not measured; the death of a guardian is not seen by its roles.
"""
