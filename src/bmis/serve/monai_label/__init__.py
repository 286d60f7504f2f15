"""What clients of MONAI Label ask a service: the networks, and masks of images that they send."""
