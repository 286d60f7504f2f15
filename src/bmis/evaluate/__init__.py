"""The command ``evaluate``: scores of a network on the images of a data set."""
