"""What ``dagster dev -m recsys_cl.orchestration.definitions`` serves: the pipelines of one folder.

``RECSYS_CL_PIPELINES`` names it (``pipelines``), ``RECSYS_CL_DATA`` the folder of the artifacts (``data``).
"""

import os
from pathlib import Path

from recsys_cl.orchestration.folder import definitions

defs = definitions(Path(os.environ.get("RECSYS_CL_PIPELINES", "pipelines")), Path(os.environ.get("RECSYS_CL_DATA", "data")))
