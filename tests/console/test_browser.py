"""Law: in a real browser the page fits a desk and a telephone, and every button can be hit."""

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from appliance.console.app import listen
from appliance.health import Away, Facts, findings
from tests.console.hospital import DEVICE_S, Hospital

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
Wsgi = Callable[[dict[str, object], object], Iterable[bytes]]
PNG = b"\x89PNG\r\n\x1a\n"
DAY_S = 86_400


def ordinary_morning(hospital: Hospital) -> None:
    """A few of everything, as after a usual day."""
    put = hospital.shelf.put
    put("parcel", "HELD", code="D05", images=412, ago_s=14 * 3600, called_ae="RPACS_DEM")
    put("intake", "HELD", code="no-project", project="", partner="", pseudonym="", images=96)
    put("delivery", "HELD", code="review", images=2, pseudonym="DEMO-7K2M9QX4T8WA", ago_s=1800)
    put("parcel", "HELD", code="clock", images=30)
    put("intake", "RECEIVED", pseudonym="", partner="", images=120, ago_s=300)
    put(
        "parcel", "PSEUDONYMISED", n=2, waiting_since=DEVICE_S - 7200, not_before=DEVICE_S + 300,
        pseudonym="DEMO-7K2M9QX4T8WA", ago_s=7300,
    )  # fmt: skip
    put("delivery", "FETCHED", images=1, pseudonym="DEMO-7K2M9QX4T8WA", ago_s=60)
    for ago in range(1, 9):
        put("parcel", "CONFIRMED", images=40 * ago, ago_s=ago * 5 * 3600)
    put("delivery", "ACKED", images=1, ago_s=2 * DAY_S)
    put("delivery", "QUARANTINED", code="Q04", images=1, ago_s=DAY_S)
    hospital.findings[:] = findings(
        Facts(13, 100, clock_trusted=True, vault_reachable=True, away=(Away("lab", 2 * DAY_S),))
    )


@pytest.fixture
def address(hospital: Hospital) -> Iterator[str]:
    """The served page, already signed in: a headless screenshot cannot type."""
    ordinary_morning(hospital)
    cookie = hospital.signed_in().get_cookie("console")
    assert cookie is not None
    inner = hospital.app.wsgi_app

    def signed_in(environ: dict[str, object], start: object) -> Iterable[bytes]:
        return inner(environ | {"HTTP_COOKIE": f"console={cookie.value}"}, start)

    hospital.app.wsgi_app = signed_in
    server = listen(hospital.app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    thread.join(10)


def chromium(folder: Path, *arguments: str) -> str:
    program = shutil.which("chromium")
    assert program is not None, "this set needs Debian's package chromium"
    ran = subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder / 'chromium'}", *arguments,
        ],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    return ran.stdout


@pytest.mark.parametrize(("name", "size"), [("desk", "1280,2300"), ("telephone", "500,4200")])
def test_the_page_can_be_looked_at(address: str, tmp_path: Path, name: str, size: str) -> None:
    picture = tmp_path / f"{name}.png"
    chromium(tmp_path, f"--window-size={size}", f"--screenshot={picture}", f"{address}/")
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000


def test_the_browser_builds_the_same_page_without_complaint(address: str, tmp_path: Path) -> None:
    text = chromium(tmp_path, "--dump-dom", f"{address}/")
    assert len(re.findall(r'<article class="held"', text)) == 4
    assert "<parsererror" not in text
