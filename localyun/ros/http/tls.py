"""A self-signed certificate for 127.0.0.1: clients of ROS speak HTTPS only."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localyun.clock import CloudClock

VALID_FOR = timedelta(days=365)


def certificate_files(folder: Path, host: str, clock: CloudClock) -> tuple[Path, Path]:
    """Return the files of a certificate for an IP address and of its key, in a folder; create them if necessary."""
    files = folder / "ros-certificate.pem", folder / "ros-key.pem"
    if not (all(file.exists() for file in files) and _expires(files[0]) > clock.now() + timedelta(days=1)):
        _write(*files, host, clock)
    return files


def _expires(file: Path) -> datetime:
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc


def _write(certificate_file: Path, key_file: Path, host: str, clock: CloudClock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localyun")])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(0o600)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(*pem))
