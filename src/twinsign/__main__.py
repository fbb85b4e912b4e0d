"""python -m twinsign: the same as the command twinsign."""

import sys

from twinsign.cli.main import main

sys.exit(main())
