"""JSON over HTTP: one routes file for each resource."""
