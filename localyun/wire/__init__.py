"""The HTTP faces. Each turns a `Call` into core calls and their answer into the vendor's bytes."""
