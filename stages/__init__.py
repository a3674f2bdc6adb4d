"""The stages of the DVC pipeline: one standalone module each."""

import os

# Said before torch is loaded: threads that wait for one another sleep, they do not spin. Alone
# that costs nothing; beside another busy process, as in a queue of experiments with two workers,
# spinning threads made a training step thirteen times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
