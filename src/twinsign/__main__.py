"""python -m twinsign: the same as the command twinsign."""

import sys

from twinsign.cli import main

sys.exit(main())
