"""The command ``inspect``: what a dataset folder holds and what is wrong with it."""
