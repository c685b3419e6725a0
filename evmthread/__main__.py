"""`python -m evmthread`: the same as the `evmthread` command."""

import sys

from evmthread.cli import main

if __name__ == "__main__":
    sys.exit(main())
