"""INIT takes as long as INIT_S says in the first life of an environment, and INIT_AGAIN_S in later ones."""

import os
import time

from app import handler  # noqa: F401

if os.path.exists("/tmp/lived"):
    time.sleep(float(os.environ.get("INIT_AGAIN_S", "0")))
else:
    open("/tmp/lived", "w").close()
    time.sleep(float(os.environ.get("INIT_S", "0")))
