"""From the outside world to data/: archives fetched, unpacked, and every pair checked."""
