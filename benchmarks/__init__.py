"""Our way and the plain way, measured in one run. Ratios are printed: they carry over to other
machines better than times do.

Imports pipeline; nothing imports it.
"""

import pipeline  # noqa: F401 - before torch: it says how threads wait
