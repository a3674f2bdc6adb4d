"""The stages of the DVC pipeline: one standalone module each."""

import os

# Said before torch is loaded: a thread that waits for the other spins a little (some
# microseconds), then sleeps. Sleeping at once costs a third of the speed; spinning on, as is usual,
# costs nothing alone, but beside another busy process it made a step thirteen times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Said before pandas is loaded: Arrow's own allocator keeps megabytes of what was given back to it.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
