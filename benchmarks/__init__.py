"""Our way beside the plain way, in one run: `make bench` prints ratios, for one machine's times say
little about another's.

Imports pipeline, is imported by nobody.
"""

import os

# As in stages/, and for the same reason: threads that wait spin a little, then sleep. The plain
# side has the good of it too, whose loading processes would else compete with spinning ones.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
