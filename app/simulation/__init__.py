"""The simulation: people who do not exist, and what they do to a registry."""
