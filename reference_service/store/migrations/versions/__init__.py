"""One module a revision, `r<number>_<what it brings>.py`; `schema.REVISIONS` lists them."""
