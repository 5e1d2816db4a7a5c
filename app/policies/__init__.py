"""Policies and reference lists as dated, sourced data, and the code that reads them."""
