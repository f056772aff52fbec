"""Toxiproxy's HTTP API over our links, so that every client of Toxiproxy drives them unchanged.

`server` listens, `routes` answers, `proxies` does; `http` and `body` read what came. What differs from
Toxiproxy 2.12 is in docs/proxy.md.
"""
