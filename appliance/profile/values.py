"""The single values of a profile: what each may look like, and what to do when it does not.

A check takes the text, gives it back, or raises ValueError with a sentence that says what is
expected; the sentence never repeats the value (it may be a secret).
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

# Wider networks than these let a whole continent in; a hospital has smaller ones.
WIDEST_IPV4_BITS = 8
WIDEST_IPV6_BITS = 32
# PS3.5 9.1
LONGEST_UID = 64
LONGEST_URL = 2000
LONGEST_TEXT = 200

_AE_TITLE = re.compile(r"[\x20-\x5B\x5D-\x7E]{1,16}")
_SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_SSH_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|"
    r"sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{20,}={0,3}( [^\r\n]*)?"
)
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\s*"
)
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")

Network = IPv4Network | IPv6Network


def is_secret_name(text: str) -> bool:
    """Whether a text can be the name of a secret (and not the secret itself, as far as one sees)."""
    return _SECRET_NAME.fullmatch(text) is not None


def is_host_name(text: str) -> bool:
    """Whether a text is a DNS name; `127.1` and `0x7f000001` are addresses in disguise."""
    labels = text.split(".")
    return (
        len(text) <= 253
        and all(_HOST_LABEL.fullmatch(part) for part in labels)
        and labels[-1][0].isalpha()
    )


def network_of(text: str) -> Network | None:
    """The network of an address or CIDR; None when the text is neither."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine and no other."""
    network = network_of(host)
    return host == "localhost" if network is None else network.is_loopback


def host_of(url: str) -> str:
    """The host of a URL that was checked or not; empty when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _ae_title(text: str) -> str:
    if _AE_TITLE.fullmatch(text) is None or text != text.strip(" "):
        raise ValueError(
            "an AE title has 1 to 16 ASCII characters, no backslash, no space at either end"
        )
    return text


def _uid(text: str) -> str:
    if _UID.fullmatch(text) is None or len(text) > LONGEST_UID:
        raise ValueError(
            "a UID has numbers with dots between them, no leading zeros, at most 64 characters"
        )
    return text


def _address(text: str) -> str:
    address = _one_address(text)
    if address.is_multicast or address.is_link_local:
        raise ValueError("no multicast or link-local address; write an address of this machine")
    return text


def _peer_host(text: str) -> str:
    network = network_of(text)
    if network is None:
        raise ValueError(_host_remedy(text))
    widest = WIDEST_IPV4_BITS if network.version == 4 else WIDEST_IPV6_BITS
    if network.prefixlen < widest:
        raise ValueError(f"this network is too wide; write one of /{widest} or narrower")
    if network.is_multicast or network.is_link_local or network.is_unspecified:
        raise ValueError("no multicast, link-local or unspecified address; write the peer's own")
    return text


def _host_remedy(text: str) -> str:
    try:
        wider = ip_network(text, strict=False)
    except ValueError:
        return "write an IP address such as 10.0.0.5, or a network such as 10.0.0.0/24"
    return f"the address has bits outside its network; write {wider} or one address alone"


def _one_address(text: str) -> Network:
    network = network_of(text)
    if network is None or network.num_addresses != 1 or "/" in text:
        raise ValueError("write one IP address such as 10.0.0.5")
    return network


def _ip_address(text: str) -> str:
    _one_address(text)
    return text


def _interface(text: str) -> str:
    address, slash, bits = text.partition("/")
    _one_address(address)
    try:
        ip_network(text, strict=False)
    except ValueError:
        slash = ""
    if not (slash and bits.isdecimal()):
        raise ValueError("write address and prefix, such as 10.0.0.9/24")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not a web address; write one such as https://host.example/path") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("user and password do not belong in a web address; name a secret instead")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("write a web address such as https://host.example/path")
    if parts.query or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a web address here has no query, no #, no space, and ASCII only")
    if len(text) > LONGEST_URL:
        raise ValueError(f"a web address has at most {LONGEST_URL} characters")
    _url_host(host)
    return text


def _url_host(host: str) -> None:
    network = network_of(host)
    if network is None:
        if not is_host_name(host):
            raise ValueError("the host is neither a DNS name nor an IP address in usual notation")
    elif network.is_link_local or network.is_multicast or network.is_unspecified:
        raise ValueError("no link-local, multicast or unspecified address; write the host's own")
    elif getattr(network.network_address, "ipv4_mapped", None) is not None:
        raise ValueError("no IPv4-mapped address; write the IPv4 address itself")


def _host(text: str) -> str:
    if network_of(text) is None and not is_host_name(text):
        raise ValueError("write a DNS name or one IP address")
    if network_of(text) is not None:
        _one_address(text)
    return text


def _email(text: str) -> str:
    host = text.rpartition("@")[2]
    if _EMAIL.fullmatch(text) is None or not is_host_name(host):
        raise ValueError("write an e-mail address such as team@hospital.example")
    return text


def _ssh_key(text: str) -> str:
    if _SSH_KEY.fullmatch(text) is None:
        raise ValueError("write an SSH public key, one line such as `ssh-ed25519 AAAA… comment`")
    return text


def _certificate(text: str) -> str:
    if _CERTIFICATE.fullmatch(text) is None:
        raise ValueError(
            "write one PEM certificate (BEGIN CERTIFICATE to END CERTIFICATE), never a key"
        )
    return text


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_TEXT:
        raise ValueError(f"write one line of 1 to {LONGEST_TEXT} characters")
    return text


def _pattern(pattern: str, sentence: str) -> AfterValidator:
    expected = re.compile(pattern)

    def check(text: str) -> str:
        if expected.fullmatch(text) is None:
            raise ValueError(sentence)
        return text

    return AfterValidator(check)


def _checked(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(check)


AeTitle = Annotated[str, _checked(_ae_title)]
Uid = Annotated[str, _checked(_uid)]
BindAddress = Annotated[str, _checked(_address)]
IpAddress = Annotated[str, _checked(_ip_address)]
PeerHost = Annotated[str, _checked(_peer_host)]
Interface = Annotated[str, _checked(_interface)]
Host = Annotated[str, _checked(_host)]
Url = Annotated[str, _checked(_url)]
EmailAddress = Annotated[str, _checked(_email)]
SshKey = Annotated[str, _checked(_ssh_key)]
Certificate = Annotated[str, _checked(_certificate)]
Line = Annotated[str, _checked(_line)]
HostName = Annotated[
    str,
    _pattern(_HOST_LABEL.pattern, "a host name has 1 to 63 letters, digits and hyphens, no dot"),
]
Name = Annotated[
    str,
    _pattern(
        _SECRET_NAME.pattern,
        "a name has 1 to 63 small letters, digits and hyphens, and starts with a letter or digit",
    ),
]
SecretName = Annotated[
    str,
    _pattern(
        _SECRET_NAME.pattern,
        "here stands the name of a secret (small letters, digits, hyphens); the secret itself "
        "goes into the secrets file, never into the profile",
    ),
]
SiteCode = Annotated[str, _pattern("[A-Z]{2,6}", "the code of a site has 2 to 6 capitals A to Z")]
ProjectCode = Annotated[
    str, _pattern("[A-Za-z0-9]{2,4}", "the code of a project has 2 to 4 letters or digits")
]
Modality = Annotated[
    str, _pattern("[A-Z0-9_]{1,16}", "a modality has 1 to 16 capitals or digits, such as CT")
]
TimeZone = Annotated[
    str,
    _pattern(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}",
        "write a time zone such as Europe/Paris",
    ),
]
