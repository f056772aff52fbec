"""The parts of reading a scenario file; `unstuck.scenario_file` puts them together."""
