"""The bundled reference service in the sim world: its production code, with every port simulated.

Only what is heavy lies deeper: whoever runs it imports `unstuck.targets.reference.simulated.target`.
"""
