"""Nothing is sent to an address that the profile did not name, and every failure has its words."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faulty import Faulty, Said, faulty_server
from outward import STUDY, partner_at

from appliance import egress
from appliance.errors import ProfileError, Unavailable
from appliance.partner.dicomweb import DicomWeb, Limits
from appliance.profile import Device

EMPTY = Said(200, {"Content-Type": "application/dicom+json"}, b"[]")


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "0.1.2.3", "::", "255.255.255.255",
     "240.0.0.1", "::ffff:10.0.0.5", "::ffff:127.0.0.1", "127.0.0.1", "127.8.8.8", "::1", "64:ff9b::a00:5"],
)  # fmt: skip
def test_no_public_name_leads_to_a_forbidden_address(address: str) -> None:
    assert egress.forbidden(ipaddress.ip_address(address), "partner.example")


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "localhost"), ("10.0.0.5", "pacs.hospital.example"),
     ("10.0.0.5", "10.0.0.5"), ("fd00::5", "fd00::5"), ("93.184.216.34", "partner.example")],
)  # fmt: skip
def test_what_the_profile_names_is_reached(address: str, host: str) -> None:
    assert not egress.forbidden(ipaddress.ip_address(address), host)


def test_a_name_that_leads_home_is_not_followed() -> None:
    # Every machine knows its own name by a loopback or a private address.
    with pytest.raises(Unavailable):
        egress.connect("ip6-localhost" if socket.has_ipv6 else "localhost.localdomain", 9)


def test_a_session_reaches_its_own_origin_only(faulty: Faulty) -> None:
    with (
        egress.session(faulty.url, Device()) as session,
        pytest.raises(requests.exceptions.InvalidSchema),
    ):
        session.get(f"http://127.0.0.1:{faulty.port + 1}/", timeout=1)


def test_nothing_comes_from_the_environment(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    faulty.to_get = EMPTY
    with DicomWeb(partner_at(faulty.url), {}, Device()) as partner:
        assert partner.listed(STUDY) == frozenset()


def test_the_proxy_of_the_profile_is_used(faulty: Faulty) -> None:
    faulty.to_get = EMPTY
    device = Device(proxy=f"http://127.0.0.1:{faulty.port}")
    with DicomWeb(partner_at("http://partner.example/dicom-web"), {}, device) as partner:
        assert partner.listed(STUDY) == frozenset()
    assert faulty.seen[-1][1].startswith("http://partner.example/dicom-web/studies/")


def test_https_through_a_proxy_that_refuses_is_told(faulty: Faulty) -> None:
    device = Device(proxy=f"http://127.0.0.1:{faulty.port}")
    with (
        DicomWeb(partner_at("https://partner.example/dicom-web"), {}, device) as partner,
        pytest.raises(Unavailable, match="proxy"),
    ):
        partner.listed(STUDY)


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/dicom-web"
        with (
            DicomWeb(partner_at(url), {}, Device()) as partner,
            pytest.raises(Unavailable, match="answer"),
        ):
            partner.listed(STUDY)


def test_every_failure_of_requests_and_urllib3_has_its_words() -> None:
    for name, kind in vars(requests.exceptions).items():
        if isinstance(kind, type) and issubclass(kind, requests.RequestException):
            assert kind in egress.FAILURES, name
    for name, kind in vars(urllib3.exceptions).items():
        if isinstance(kind, type) and issubclass(kind, urllib3.exceptions.HTTPError):
            assert any(parent in egress.FAILURES for parent in kind.__mro__), name


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A self-signed certificate for 127.0.0.1 with its key in one file, and its PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner of a test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "partner.pem"
    path.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path, pem.decode()


@pytest.fixture
def secured(certificate: tuple[Path, str]) -> Iterator[Faulty]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[0])
    with faulty_server(context) as server:
        server.to_get = EMPTY
        yield server


def test_only_the_systems_and_the_profiles_authorities_are_trusted(
    secured: Faulty, certificate: tuple[Path, str]
) -> None:
    url = secured.url.replace("http:", "https:")
    with DicomWeb(partner_at(url), {}, Device(ca=(certificate[1],))) as partner:
        assert partner.listed(STUDY) == frozenset()
    with (
        DicomWeb(partner_at(url), {}, Device()) as partner,
        pytest.raises(Unavailable, match="certificate"),
    ):
        partner.listed(STUDY)


def test_a_certificate_that_is_none_is_a_mistake_of_the_profile() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(ProfileError, match=r"device\.ca\.0"):
        egress.tls_context(Device(ca=(broken,)))


def test_a_trickle_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def trickle() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n\r\n"
                )
                for _ in range(200):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return
                    threading.Event().wait(0.01)

        thread = threading.Thread(target=trickle)
        thread.start()
        with (
            DicomWeb(
                partner_at(f"http://127.0.0.1:{port}"), {}, Device(), Limits(patience_s=0.3)
            ) as partner,
            pytest.raises(Unavailable, match="slowly"),
        ):
            partner.listed(STUDY)
        thread.join()
