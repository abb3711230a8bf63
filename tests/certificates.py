"""Certificates for tests, made with the openssl command: an authority and certificates it signs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import skip_or_fail

_NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate and its private key in PKCS#8."""

    certificate: Path
    key: Path

    @property
    def store(self) -> Path:
        """Both in one file, the form of a broker's PEM store."""
        path = self.certificate.with_suffix(".store.pem")
        path.write_text(self.key.read_text() + self.certificate.read_text())
        return path


class Authority:
    """A certificate authority that only the test trusts."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            skip_or_fail("openssl is absent")
        self._folder = folder
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(f"req -x509 {_NEW_KEY} -days 2 -subj /CN={name} "
                 f"-keyout {self._key} -out {self.certificate}")  # fmt: skip

    def sign(self, name: str, days: int = 2) -> Certificate:
        """Return a certificate for 127.0.0.1 with that common name; -1 days: expired."""
        request, key = self._folder / f"{name}.csr", self._folder / f"{name}.key"
        signed, extensions = self._folder / f"{name}.pem", self._folder / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(f"req -new {_NEW_KEY} -subj /CN={name} -keyout {key} -out {request}")
        _openssl(f"x509 -req -in {request} -CA {self.certificate} -CAkey {self._key} -days {days} "
                 f"-CAcreateserial -extfile {extensions} -out {signed}")  # fmt: skip
        return Certificate(signed, key)


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
