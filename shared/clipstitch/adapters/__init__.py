"""The ports, implemented: one SDK each, and `memory` with every port in dictionaries. Only `wiring` imports them."""
