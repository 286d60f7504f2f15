"""A batch of floats in, logits out, on any engine."""
