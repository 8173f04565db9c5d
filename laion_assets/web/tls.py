"""Whom we trust over TLS, and how a host that was met before is met again at less cost."""

import ssl
import sys
import time
from collections import OrderedDict

HOSTS_REMEMBERED = 4_096
# Tickets are good for hours; asking for certificates again after some minutes costs next to nothing.
TICKET_S = 600.0


class TlsContext(ssl.SSLContext):
    """Trusts as ``ssl.create_default_context`` does, and shows a host the ticket it gave us on an earlier connection.

    A host that takes its ticket back sends no certificates: it proves that it is the one whose certificates were
    checked, for that name, by this context. A host that does not take it is asked for them as on the first day.
    """

    def __init__(self, _protocol: int) -> None:
        super().__init__()
        self.system_authorities_unread = False
        """Whether the system's authorities are trusted but were not read yet; that takes longer than many a probe."""
        self._sessions: OrderedDict[str, tuple[ssl.SSLSession, float]] = OrderedDict()
        """By host, with the time until which it is used."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of SSLContext
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As SSLContext's; event loops call it for every connection."""
        if self.system_authorities_unread:
            self.load_default_certs(ssl.Purpose.SERVER_AUTH)
            self.system_authorities_unread = False
        if session is None and isinstance(server_hostname, str) and self.knows(server_hostname):
            session, until = self._sessions[server_hostname]
            if time.monotonic() > until:
                del self._sessions[server_hostname]
                session = None
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def knows(self, host: str) -> bool:
        """Whether there is a ticket of this host."""
        return host in self._sessions

    def remember(self, host: str, connection: ssl.SSLObject) -> None:
        """Take the ticket of a connection; in TLS 1.3 it comes with the first answer, or just before."""
        session = connection.session
        if session is None or not session.has_ticket:
            return
        self._sessions[host] = session, time.monotonic() + TICKET_S
        if len(self._sessions) > HOSTS_REMEMBERED:
            self._sessions.popitem(last=False)


def trusting(ca_file: str | None) -> TlsContext:
    """A context that trusts the authorities of a file, or the system's.

    Raises:
        ValueError: The file cannot be used.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if ca_file is None:
        context.system_authorities_unread = True
    else:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ValueError(f"tls_ca_file: {ca_file} cannot be used ({error}); point it at a PEM file.") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
