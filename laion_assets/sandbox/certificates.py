"""Certificates for a sandbox that serves TLS: an authority of its own, and one certificate for all its hosts.

Made with trustme, which is no dependency of laion-assets: only tests and benchmarks ask for TLS.
"""

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

from laion_assets.sandbox.hosts import Host
from laion_assets.sandbox.spec import SandboxError

AUTHORITY_FILE = "authority.pem"


def server_context(hosts: Sequence[Host], folder: Path) -> ssl.SSLContext:
    """The TLS settings of every host; the authority to trust is ``folder / AUTHORITY_FILE``.

    Raises:
        SandboxError: trustme is not installed.
    """
    names = [name for host in hosts for name in (host.address, host.name) if name]
    key_file = folder / f"{hashlib.sha256(' '.join(names).encode()).hexdigest()[:16]}.pem"
    if not key_file.is_file() or not (folder / AUTHORITY_FILE).is_file():
        _make(names, key_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_file)
    return context


def _make(names: list[str], key_file: Path) -> None:
    try:
        import trustme
    except ImportError as error:
        raise SandboxError("A sandbox with TLS needs trustme, which is not installed: pip install trustme.") from error
    key_file.parent.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(*names)
    authority.cert_pem.write_to_path(str(key_file.parent / AUTHORITY_FILE))
    key_file.touch(mode=0o600)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(key_file))
