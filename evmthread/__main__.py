"""`python -m evmthread` is the `evmthread` command."""

import sys

from evmthread.cli import main

sys.exit(main())
