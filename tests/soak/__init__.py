"""Proofs that take long: `python -m tests.soak`, with SCALE=small for a short one. Pytest does not collect them."""
