"""``python -m bmis``, the same as ``bmis``."""

import sys

from bmis.cli.main import main

sys.exit(main())
