"""A campaign: drawn scenarios of mixed faults, until so many sound jobs have been through them.

drawing → running → rows (one a run, kept in a journal at once) → totals → docs/campaign.json → page.
"""
