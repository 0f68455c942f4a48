"""Entry point of the test cluster: `python tests/cluster --help`."""

import sys

from singlenode.cli import main

if __name__ == "__main__":
    sys.exit(main())
