"""What the services keep and decide. No HTTP here."""
