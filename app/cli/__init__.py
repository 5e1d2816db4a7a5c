"""The `migcard` command."""
