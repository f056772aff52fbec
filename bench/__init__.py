"""Figures of the project, measured on this machine: `python -m bench`, and `python -m bench soak`."""
