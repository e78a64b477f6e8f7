"""Benchmarks, side by side with the peers: ``python3 dev.py bench``."""
