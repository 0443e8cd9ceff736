"""Which addresses webhooks may reach without permission for private ones."""

import pytest

from clipstitch.adapters.webhook_http import is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """Also one that is embedded in an IPv6 address."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "127.0.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1", "255.255.255.255"),
        *("::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::6464:64c8", "2002:a00:1::1", "2002:7f00:1::1"),
        "2001:0:808:808:0:0:f5ff:fffe",
    ],
)
def test_an_address_of_a_machine_or_a_private_network_is_not(address: str) -> None:
    """The service for metadata (100.100.100.200) would hand out the key of the function's role."""
    assert not is_public(address)
