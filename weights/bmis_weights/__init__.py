"""Weights to start trainings from, of the trained networks that come with bmis.

They are a package of their own so that devices, which never train, need not hold them.
"""
