"""Measurements over real HTTP, side by side in one run: this machine's rates drift, so only ratios of one run count."""
