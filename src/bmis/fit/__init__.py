"""The command ``fit``: the best network for some images within a time and a size."""
