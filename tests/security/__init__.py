"""Who tries to get in: every door of the local cloud, and the doors of the product itself."""
