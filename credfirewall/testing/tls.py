"""Certificates for the loopback servers, good and bad, made on the spot."""

import contextlib
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from credfirewall.testing.loopback import HOST


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """Contexts for ``RangeServer(ssl_context=...)``, and the authority behind all but one.

    ``trusted``     a certificate of the authority for 127.0.0.1 and localhost.
    ``expired``     the same, but a year ago.
    ``wrong_name``  the same, but for another host.
    ``untrusted``   self-signed.
    ``ca_file``     the authority's certificate (PEM), for REQUESTS_CA_BUNDLE or SSL_CERT_FILE.
    """

    trusted: ssl.SSLContext
    expired: ssl.SSLContext
    wrong_name: ssl.SSLContext
    untrusted: ssl.SSLContext
    ca_file: Path


class _Identity:
    """A key and its certificate, signed by ``issuer`` or by itself."""

    def __init__(
        self,
        *names: x509.GeneralName,
        start: datetime,
        issuer: "_Identity | None" = None,
        is_authority: bool = False,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        title = "credfirewall test authority" if is_authority else "credfirewall test server"
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        signer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            # A clock that is set back a little between two processes is no reason to fail.
            .not_valid_before(start - timedelta(hours=1))
            .not_valid_after(start + timedelta(days=7))
        )
        for extension, critical in self._extensions(signer, names, is_authority):
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    def _extensions(
        self, signer: "_Identity", names: Sequence[x509.GeneralName], is_authority: bool
    ) -> Iterator[tuple[x509.ExtensionType, bool]]:
        """Yield what RFC 5280 asks for, because Python 3.13 verifies strictly."""
        yield x509.BasicConstraints(ca=is_authority, path_length=None), True
        yield x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
        yield issued_by, False
        yield _key_usage(is_authority), True
        if names:
            yield x509.SubjectAlternativeName(names), False
            yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False

    def context(self, directory: Path) -> ssl.SSLContext:
        """Return a server's context; ``ssl`` reads keys from files only."""
        file = directory / f"{self.certificate.serial_number:x}.pem"
        file.write_bytes(
            self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + self.certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        file.unlink()
        return context


@contextlib.contextmanager
def tls_contexts() -> Iterator[TlsContexts]:
    """Make an authority and certificates. ``ca_file`` is gone when the context ends."""
    now = datetime.now(UTC)
    last_year = now - timedelta(days=365)
    ours = (x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost"))
    other = x509.DNSName("other.example")
    authority = _Identity(start=now, is_authority=True)
    with tempfile.TemporaryDirectory(prefix="credfirewall-tls-") as name:
        directory = Path(name)
        ca_file = directory / "ca.pem"
        ca_file.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        yield TlsContexts(
            trusted=_Identity(*ours, start=now, issuer=authority).context(directory),
            expired=_Identity(*ours, start=last_year, issuer=authority).context(directory),
            wrong_name=_Identity(other, start=now, issuer=authority).context(directory),
            untrusted=_Identity(*ours, start=now).context(directory),
            ca_file=ca_file,
        )


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
