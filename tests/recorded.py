"""Where the recordings of the real kube-proxy are.

``LABKIT_TRUTH`` names another folder of the same shape to be judged by.
"""

from __future__ import annotations

import os
from pathlib import Path

TRUTH = Path(os.environ.get("LABKIT_TRUTH", Path(__file__).parent / "truth"))
SCENARIOS = sorted((TRUTH / "scenarios").glob("*.yaml"))
