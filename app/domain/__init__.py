"""The rules of the card: standard library only, no input or output, no clock, no dice."""
