"""Rivals: the same four operations on the plain table, each as its own documentation has it."""
