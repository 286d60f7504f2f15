"""Trainings that take no time, for processes that import them."""

import os
import time


def narrow_is_good(config, run):
    """Narrow networks are better here, so that those that come later are stopped."""
    return 1 / config.options["width"] + config.epochs / 100 - config.learning_rate


def narrow_dies(config, run):
    """The process of the narrowest network dies."""
    if config.options["width"] == 16:
        os._exit(3)
    return narrow_is_good(config, run)


def takes_forever(config, run):
    """Trains until it is killed."""
    run.mkdir(parents=True)
    time.sleep(600)
