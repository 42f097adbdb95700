"""Benchmarks of keras_npy against what its users would use instead; see `README.md`."""
