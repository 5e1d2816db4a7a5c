"""The electronic migration card registry."""
