"""The neighbours that other tests rely on are there and speak what they must."""

import pydicom
import requests
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification


def test_both_orthancs_answer_echo_under_their_own_titles(orthanc, clinic_orthanc):
    for neighbour in (orthanc, clinic_orthanc):
        ae = AE("TEST")
        ae.add_requested_context(Verification)
        association = ae.associate("127.0.0.1", neighbour.dicom_port, ae_title=neighbour.ae_title)
        assert association.is_established
        assert association.send_c_echo().Status == 0
        association.release()


def test_the_partner_lists_by_dicomweb_what_it_was_sent(orthanc, public_ct):
    orthanc.empty()
    ae = AE("TEST")
    ae.add_requested_context(
        CTImageStorage, pydicom.dcmread(public_ct[0]).file_meta.TransferSyntaxUID
    )
    association = ae.associate("127.0.0.1", orthanc.dicom_port)
    assert association.send_c_store(public_ct[0]).Status == 0
    association.release()
    listed = requests.get(f"{orthanc.dicomweb}/studies", timeout=10).json()
    assert [study["0020000D"]["Value"] for study in listed] == [
        [pydicom.dcmread(public_ct[0]).StudyInstanceUID]
    ]


def test_the_public_ct_instances_are_ct(public_ct):
    assert {pydicom.dcmread(path).Modality for path in public_ct} == {"CT"}
