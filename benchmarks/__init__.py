"""Our way beside the plain way, in one run: `make bench` prints ratios, for one machine's times say
little about another's.

Imports pipeline, is imported by nobody.
"""

import os

# Said before torch is loaded, as in stages/ and for the same reason: threads that wait sleep. The
# plain side has the good of it too, whose loading processes would else compete with spinning ones.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
