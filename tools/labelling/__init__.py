"""The work of tools.labels: ranking labels, and exchanging them with annotation tools."""
