"""``python -m datasel_assets``: the command line without the script ``datasel``. Nothing else belongs here."""

import sys

from datasel_assets.cli import main

if __name__ == "__main__":
    sys.exit(main())
