"""Where a scenario runs: virtual time, real processes, containers; one protocol for all."""
