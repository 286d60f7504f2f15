"""The command ``export``: a trained network in, a bundle for devices out."""
