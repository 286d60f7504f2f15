"""Versions are those of what is installed."""

import platform

import numpy as np

from bmis.system.environment import software_versions


def test_versions_are_those_of_what_is_installed():
    found = software_versions(("numpy", "no-such-package"))
    assert found == {
        "python": platform.python_version(),
        "system": platform.platform(),
        "numpy": np.__version__,
        "no-such-package": None,
    }
