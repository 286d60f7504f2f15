"""``python -m bmis``, the same as ``bmis``."""

import sys

from bmis.cli import main

sys.exit(main())
