"""The operators that a bundle may use, and the shapes that come out of each."""
