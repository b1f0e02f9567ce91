"""``python -m dlcore.cli``: the command ``dlcore`` where it is not on the path."""

from dlcore.cli import main

raise SystemExit(main())
