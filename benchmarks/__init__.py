"""Benchmarks of keras_npy against what its users would take instead; `README.md` says how."""
