"""What several folders of tests share: real neighbours, started once, and public DICOM files."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from tests.orthanc import Orthanc, started


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory) -> Iterator[Orthanc]:
    """The one Orthanc of the run: the partner's DICOMweb server."""
    with started("PARTNER", tmp_path_factory.mktemp("partner")) as partner:
        yield partner


@pytest.fixture(scope="session")
def clinic_orthanc(tmp_path_factory) -> Iterator[Orthanc]:
    """A second Orthanc: the PACS of the clinic, which answers C-FIND and takes C-STORE."""
    with started("CLINICPACS", tmp_path_factory.mktemp("clinic")) as clinic:
        yield clinic


@pytest.fixture(scope="session")
def public_ct() -> tuple[Path, ...]:
    """Public CT instances, by path: three files of three series, one of them with private data."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    series = folder / "dicomdirtests" / "98892001"
    paths = (folder / "CT_small.dcm", *sorted(p for p in series.rglob("*") if p.is_file()))
    assert len(paths) > 1
    return paths
