"""Trained networks as graphs for devices: made, made smaller, and proven equal (needs torch)."""
