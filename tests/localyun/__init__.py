"""Tests of the local cloud: with the vendor's SDKs, with requests byte for byte, and with faults and restarts."""
