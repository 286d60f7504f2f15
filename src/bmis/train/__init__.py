"""The command ``train``: a dataset folder in, a run folder out."""
