"""The command ``profile``: what a network or a bundle costs."""
