"""The cluster's own certificate authority, and the certificates it signs."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=30)
SIGNS_ONLY = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs for servers and users, who are then known by name and groups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("perdure-tests", ())
        builder = self._builder(self._name, self._key)
        for extension in (x509.BasicConstraints(ca=True, path_length=0), SIGNS_ONLY):
            builder = builder.add_extension(extension, critical=True)
        self.certificate = self._write("ca", builder, self._key).certificate

    def server(self, name: str, names: Sequence[str], addresses: Sequence[str]) -> Pair:
        """A certificate for a server that is reached by these names and addresses."""
        known: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        known += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        return self._issue(
            name,
            _name(name, ()),
            ExtendedKeyUsageOID.SERVER_AUTH,
            x509.SubjectAlternativeName(known),
        )

    def client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """A certificate by which the API server knows its holder as `user` in `groups`."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(user.replace(":", "-"), _name(user, groups), usage)

    def key(self, name: str) -> Path:
        """A key without a certificate, in the file that it returns."""
        return _write_key(self.folder / f"{name}.key", ec.generate_private_key(ec.SECP256R1()))

    def _issue(
        self,
        file: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        *extensions: x509.ExtensionType,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key)
        for extension in (x509.ExtendedKeyUsage([usage]), *extensions):
            builder = builder.add_extension(extension, critical=False)
        return self._write(file, builder, key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + VALID)
            .add_extension(issuer, critical=False)
            .add_extension(own, critical=False)
        )

    def _write(
        self, file: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey
    ) -> Pair:
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        signed = builder.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        _write_key(pair.key, key)
        return pair


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """Write a private key that its owner alone can read."""
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return file


def _name(common: str, organizations: Sequence[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])
