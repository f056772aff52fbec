"""Judges deploy manifests before anything is deployed: reads texts, starts nothing, asks nobody.

manifest text → `readers` → `Manifest` of `Workload`s → `rules` (with what a run has measured) →
`Judgement`.
"""
