"""Links: a proxy between each role and each dependency, where faults strike at a named message.

The harness holds a `Links` (`client`), builds `Rule`s (`rules`), and starts the proxy as a process of
its own (`__main__`). Only *before the request goes on* and *before its reply goes on* are places
without a race; those are the two that rules have.
"""
