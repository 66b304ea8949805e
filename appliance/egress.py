"""The one way out to the hosts that the profile names: resolve, check the address, connect to it.

No redirect, no environment, no netrc; proxy and certificate authorities come from the profile
alone. A session reaches one origin and nothing else, so credentials cannot go astray.
"""

import ipaddress
import socket
import ssl
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests import exceptions as failures
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3 import exceptions as wire_failures
from urllib3.connection import HTTPConnection, HTTPSConnection

from appliance import VERSION
from appliance.errors import Problem, ProfileError, Unavailable
from appliance.profile import Device, is_loopback

# A listening host answers a connection within seconds, also over a slow line.
CONNECT_S = 10.0
# Longest silence within a request or an answer; a partner may index before it answers.
SILENCE_S = 60.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def forbidden(address: Address, host: str) -> str:
    """Why nobody connects to `address` under the name `host`; empty if it may be.

    Private addresses are allowed: only hosts of the profile come here, and hospitals have names
    of their own. Loopback must stand in the profile as such: a public name never leads to it.
    """
    if address.version == 6 and address.ipv4_mapped is not None:
        return "an IPv4 address in disguise"
    if address.is_loopback:
        return "" if is_loopback(host) else "the device itself"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_reserved or address.is_unspecified:
        return "a reserved address"
    if address.version == 4 and address in _THIS_NETWORK:
        return "a reserved address"
    return ""


def connect(host: str, port: int) -> socket.socket:
    """A connected socket to a checked address of `host`; there is no second look-up.

    Raises:
        Unavailable: the name does not resolve, the address is forbidden, or nobody answers.
    """
    last = "it has no address"
    for address in _resolved(host, port):
        reason = forbidden(ipaddress.ip_address(address.partition("%")[0]), host)
        if reason:
            raise Unavailable(f"{host} leads to {reason}: nothing was sent; check its DNS entry")
        try:
            opened = socket.create_connection((address, port), CONNECT_S)
        except OSError as error:
            last = error.strerror or "no answer in time"
            continue
        opened.settimeout(SILENCE_S)
        return opened
    raise Unavailable(f"{host} port {port} does not answer: {last}")


def tls_context(device: Device) -> ssl.SSLContext:
    """TLS 1.2 or later, trusting the authorities of the system and those of the profile."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for number, pem in enumerate(device.ca):
        try:
            context.load_verify_locations(cadata=pem)
        except ssl.SSLError as error:
            what = "no certificate in PEM form: paste it from BEGIN to END"
            raise ProfileError([Problem(f"device.ca.{number}", what)]) from error
    return context


def session(url: str, device: Device) -> requests.Session:
    """A session that reaches the origin of `url`, through the profile's proxy if there is one."""
    opened = requests.Session()
    opened.trust_env = False
    opened.headers.clear()
    opened.headers["Accept-Encoding"] = "identity"
    opened.headers["User-Agent"] = f"research-pacs/{VERSION}"
    # Nobody recognises us by what he gave us the time before.
    opened.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    opened.adapters.clear()
    parts = urlsplit(url)
    opened.mount(f"{parts.scheme}://{parts.netloc}/", _Door(device))
    if device.proxy is not None:
        opened.proxies = {parts.scheme: device.proxy}
    return opened


NOT_TRUSTED = "the certificate is not trusted, or expired: check device.ca and the clock"

# Every way in which requests fails, in words a person can act on. All of them mean "later".
FAILURES: dict[type[Exception], str] = {
    failures.RequestException: "the request failed",
    failures.InvalidJSONError: "the answer cannot be read",
    failures.JSONDecodeError: "the answer cannot be read",
    failures.HTTPError: "the request failed",
    failures.ConnectionError: "the connection was lost",
    failures.ProxyError: "the proxy refused the connection: check device.proxy",
    failures.SSLError: NOT_TRUSTED,
    failures.Timeout: "no answer in time",
    failures.ConnectTimeout: "no answer in time",
    failures.ReadTimeout: "no answer in time",
    failures.URLRequired: "the address in the profile is incomplete",
    failures.TooManyRedirects: "it redirects: put the final address into the profile",
    failures.MissingSchema: "the address in the profile lacks https://",
    failures.InvalidSchema: "the address is not the profile's",
    failures.InvalidURL: "the address in the profile is not valid",
    failures.InvalidHeader: "a secret holds characters that HTTP cannot carry",
    failures.InvalidProxyURL: "the address of the proxy is not valid: check device.proxy",
    failures.ChunkedEncodingError: "the answer was cut short",
    failures.ContentDecodingError: "the answer cannot be read",
    failures.StreamConsumedError: "the answer was cut short",
    failures.RetryError: "the connection was lost",
    failures.UnrewindableBodyError: "the connection was lost",
    wire_failures.HTTPError: "the answer was cut short",
}


def failure(error: Exception) -> str:
    """The words of `FAILURES` for an error of requests or urllib3, by its nearest ancestor."""
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


class _CheckedHTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port)


class _CheckedHTTPS(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port or 443)


class _PoolHTTP(HTTPConnectionPool):
    ConnectionCls = _CheckedHTTP


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _CheckedHTTPS


class _Door(HTTPAdapter):
    """requests' adapter with checked connections and our trust, ready also for the proxy."""

    def __init__(self, device: Device) -> None:
        super().__init__(max_retries=0)
        trust = tls_context(device)
        self.poolmanager = _checked(PoolManager(ssl_context=trust))
        if device.proxy is not None:
            through = ProxyManager(device.proxy, ssl_context=trust, proxy_ssl_context=trust)
            self.proxy_manager[device.proxy] = _checked(through)

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Nothing to add: the context of the pool verifies, requests' own bundle is not ours."""


def _checked(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _PoolHTTP, "https": _PoolHTTPS}
    return manager


def _resolved(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"{host} cannot be found: check the name and the DNS server") from error
    return [str(entry[4][0]) for entry in found]
