"""Tests of the benchmark suite itself."""
