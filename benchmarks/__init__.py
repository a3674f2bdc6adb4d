"""Our way and the plain way, measured in one run. Ratios are printed: they carry over to other
machines better than times do.

Imports pipeline; nothing imports it.
"""

import os

# As in stages/, and for the same reason: a waiting thread spins a little, then sleeps. The plain
# side gains as well: its loading processes would otherwise compete with spinning threads.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
