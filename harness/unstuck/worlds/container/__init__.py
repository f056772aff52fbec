"""Containers of a Docker engine on this machine, supervised by one guardian for each run.

    harness ── guardian (one for a run) ── engine ── containers of the service
       └────── zygote ── guardian ── what is the harness's own: links, dependencies

Containers share the network of the machine: they reach the links, and are reached, on the loopback, so
nothing listens anywhere else. What is the container's own: process ids (its program is PID 1), files,
memory limit, signals, freezer. `residue` says who cleans up when which of them dies.
"""
