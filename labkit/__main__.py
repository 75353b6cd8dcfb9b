"""``labkit`` and ``python -m labkit``: the command."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command; an interrupt while it is still being imported ends it as later ones do."""
    try:
        from labkit.cli import main as run

        run()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
