"""Benchmarks, and the weak link they run over. Nothing here is needed by a node at work."""
