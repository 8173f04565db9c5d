"""Certificates for a sandbox that serves TLS: an authority of its own, and a certificate for every few hosts.

Made with trustme, which is no dependency of laion-assets: only tests and benchmarks ask for TLS.
"""

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

from laion_assets.sandbox.hosts import Host
from laion_assets.sandbox.spec import SandboxError

AUTHORITY_FILE = "authority.pem"


HOSTS_PER_CERTIFICATE = 10
"""As few as on the real web: reading a certificate that names hundreds costs a client a millisecond each time."""


def server_contexts(hosts: Sequence[Host], folder: Path) -> list[ssl.SSLContext]:
    """The TLS settings of each host; the authority to trust is ``folder / AUTHORITY_FILE``.

    Raises:
        SandboxError: trustme is not installed.
    """
    groups = [hosts[start : start + HOSTS_PER_CERTIFICATE] for start in range(0, len(hosts), HOSTS_PER_CERTIFICATE)]
    names = [[name for host in group for name in (host.address, host.name) if name] for group in groups]
    key_files = [folder / f"{hashlib.sha256(' '.join(group).encode()).hexdigest()[:16]}.pem" for group in names]
    if not all(file.is_file() for file in (*key_files, folder / AUTHORITY_FILE)):
        _make(names, key_files, folder / AUTHORITY_FILE)
    contexts = [_context(key_file) for key_file in key_files]
    return [contexts[number // HOSTS_PER_CERTIFICATE] for number in range(len(hosts))]


def _context(key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_file)
    return context


def _make(names: Sequence[Sequence[str]], key_files: Sequence[Path], authority_file: Path) -> None:
    try:
        import trustme
    except ImportError as error:
        raise SandboxError("A sandbox with TLS needs trustme, which is not installed: pip install trustme.") from error
    authority_file.parent.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_file))
    for group, key_file in zip(names, key_files, strict=True):
        key_file.touch(mode=0o600)
        authority.issue_cert(*group).private_key_and_cert_chain_pem.write_to_path(str(key_file))
