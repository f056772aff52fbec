"""What changed between two recorded runs, and whether recoveries are slower than a baseline says."""
