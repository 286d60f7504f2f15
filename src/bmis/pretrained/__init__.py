"""The trained networks that come with the package."""
