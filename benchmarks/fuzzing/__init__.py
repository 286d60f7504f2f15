"""Damaged and hostile files by the thousand, each given to the real commands; see ``fuzz.py``."""
