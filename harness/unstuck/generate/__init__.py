"""Generated scenarios: drawn by Hypothesis, made smaller when they fail, saved as files.

from unstuck.generate.strategies import drawn, scenarios    # needs Hypothesis: unstuck[generate]
from unstuck.generate.shrinking import shrink
from unstuck.generate.saving import Origin, save
"""
