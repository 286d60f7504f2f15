"""The command ``share``: a folder for others to load a network from."""
