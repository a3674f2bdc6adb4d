"""Rebuild a registered model from what its run recorded, and compare the two."""
