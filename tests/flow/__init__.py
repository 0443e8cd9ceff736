"""Flow tests: the deployed system on a local cloud, used over HTTP through the vendor's SDKs."""
