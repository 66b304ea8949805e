"""A vault in a folder, and one study asked of it: what the vault's tests share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from appliance.store.vault import Request, Vault

STUDY = "1.2.3.4"
CANARIES = ("Cxnary^Nxme", "CXNARY-4711", "1.2.826.999.4711", "19470412")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Vault]:
    vault = Vault(folder)
    try:
        yield vault
    finally:
        vault.close()


def asked(patient_id: str = "P1", study: str = STUDY, issuer: str = "") -> Request:
    return Request(
        project="ABC",
        site="DEMO",
        identity={"patient_id": patient_id, "issuer": issuer},
        study=study,
        uids=(study, study + ".1"),
        unknown="enrol",
        least_days=1,
        most_days=3650,
    )
