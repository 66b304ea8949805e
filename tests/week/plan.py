"""What happens in the week: forty studies, who sends them when, and what goes wrong as it does.

Hours count from Friday morning, when the clock of the test begins. Whoever has no peer of its own
in the profile (ultrasound, mammography, fluoroscopy …) sends to the PACS, which forwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pydicom.dataset import Dataset

from tests.week.material import (
    CR,
    CT,
    CT_ENHANCED,
    MR,
    MR_ENHANCED,
    MR_SIEMENS,
    NM,
    RTPLAN,
    RTSTRUCT,
    SCREEN,
    STORAGE,
    US,
    Examination,
    Instance,
    Patient,
    coerced,
    implicit,
    in_unicode,
    with_issuer,
)

PACS = "PACS_CHUVE"
BEGIN = date(2026, 11, 20)
# Friday, then Monday to Thursday; a study every hour and a half from a quarter past eight.
WORKING_DAYS = (0, 3, 4, 5, 6)
PER_DAY = 8
EVERY_H = 1.4

NAMES = (
    "Lefèvre^Zoé", "MARTIN^JEAN", "Petit^Rose", "LY^MAI", "Le Gall^Anne-Marie", "DUBOIS^LUC",
    "Roux^Léo", "O'Brien^Una", "GARCIA LOPEZ^MARIA^DEL CARMEN", "Blanc^Élise", "THOMAS^THOMAS",
    "Bâ^Awa", "NGUYEN^THI LAN", "Fontaine^Guy", "Moreau^Ève", "DAVID^MARC", "Muller^Jürgen",
    "Simon^Paul", "ANDRE^RENE", "Legrand^Noé",
)  # fmt: skip


@dataclass(frozen=True)
class Sending:
    """Objects that one sender pushes to one of the box's AE titles."""

    hour: float
    calling: str
    called: str
    instances: Sequence[Instance]


@dataclass(frozen=True)
class Study:
    """One study of the week; `mishap` is what a person did wrong, if anybody did."""

    examination: Examination
    modality: str
    sendings: Sequence[Sending]
    mishap: str = ""

    @property
    def uid(self) -> str:
        return str(self.sendings[0].instances[0].dataset.StudyInstanceUID)

    @property
    def called(self) -> str:
        return self.sendings[0].called


@dataclass
class Week:
    """The forty studies, and the patients whom the cardiac project lists before and late."""

    studies: list[Study] = field(default_factory=list)
    enrolled: list[Patient] = field(default_factory=list)
    enrolled_late: list[Patient] = field(default_factory=list)

    def next(self, description: str) -> tuple[Examination, float]:
        """The next examination and its hour."""
        number = len(self.studies)
        day, place = WORKING_DAYS[number // PER_DAY], number % PER_DAY
        patient = Patient(
            f"00{26_104_711 + number * 7_919}",
            NAMES[number % len(NAMES)],
            f"19{40 + number:02}{1 + number % 12:02}{1 + number % 28:02}",
            "FM"[number % 2],
        )
        on = f"{BEGIN + timedelta(days=day):%Y%m%d}"
        return Examination(f"week/{number}", patient, on, description), day * 24 + place * EVERY_H

    def add(
        self, examination: Examination, modality: str, *sendings: Sending, mishap: str = ""
    ) -> None:
        self.studies.append(Study(examination, modality, sendings, mishap))


def ordinary_week() -> Week:
    """The whole week."""
    week = Week()
    liver(week)
    oncology(week)
    heart(week)
    registry(week)
    mishaps(week)
    return week


def liver(week: Week) -> None:
    """Fourteen CT and MR of the liver, sent by the technologists to the project's AE title."""

    def to_liver(hour: float, calling: str, instances: Sequence[Instance]) -> Sending:
        return Sending(hour, calling, "RPACS_LIV", instances)

    for scanner in ("CT_RADIO_1", "CT_RADIO_2", "CT_RADIO_1", "CT_RADIO_2"):
        exam, hour = week.next("SCANNER FOIE 3 PHASES")
        images = abdomen(exam)
        beside = [exam.dose_report(), exam.screen_save()]
        week.add(exam, "CT", to_liver(hour, scanner, [*images, *beside]))
    exam, hour = week.next("SCANNER FOIE")
    week.add(exam, "CT", to_liver(hour, "CT_RADIO_1", exam.images(CT_ENHANCED, "Multiphase", 1)))
    for extra in ("presentation state", "key object", "raw"):
        exam, hour = week.next("IRM FOIE")
        images = [*exam.images(MR, "T2 HASTE", 3), *exam.images(MR_SIEMENS, "DWI b800", 2)]
        beside = {
            "presentation state": exam.presentation_state(images),
            "key object": exam.key_object(images),
            "raw": exam.raw_object(),
        }[extra]
        week.add(exam, "MR", to_liver(hour, "MR_RADIO_1", [*images, beside]))
    exam, hour = week.next("IRM FOIE")
    images = [implicit(one) for one in exam.images(MR, "VIBE", 3)]
    enhanced = exam.images(MR_ENHANCED, "DIXON", 1)
    week.add(exam, "MR", to_liver(hour, "MR_RADIO_1", [*images, *enhanced]))
    exam, hour = week.next("SCANNER FOIE, série tardive")
    late = [*exam.images(CT, "Tardif 10 min", 2), exam.dose_report()]
    week.add(
        exam, "CT",
        to_liver(hour, "CT_RADIO_1", abdomen(exam)), to_liver(hour + 2.5, "CT_RADIO_1", late),
    )  # fmt: skip
    for habits, later_h in (
        ((), 0.2),
        ((in_unicode,), 3.0),
        ((with_issuer,), 3.0),
        ((implicit,), 3.0),
    ):
        exam, hour = week.next("SCANNER FOIE, double envoi")
        images = abdomen(exam)
        again = [*coerced(images, *habits), exam.presentation_state(images)]
        week.add(
            exam, "CT",
            to_liver(hour, "CT_RADIO_2", images), to_liver(hour + later_h, PACS, again),
        )  # fmt: skip


def oncology(week: Week) -> None:
    """Six PET/CT, from the camera or out of the PACS."""
    for number in range(6):
        exam, hour = week.next("TEP-TDM FDG CORPS ENTIER")
        slices = [Instance(tomograph(exam, place)) for place in (1, 2, 3)]
        images = [*slices, *exam.images(CT, "CT AC", 2)]
        beside = [exam.dose_report(), exam.screen_save("MIP")]
        calling = PACS if number == 5 else "PETCT_MN"
        sendings = [Sending(hour, calling, "RPACS_ONC", [*images, *beside])]
        if number == 3:
            contours = [Instance(exam.made(RTSTRUCT, "Contours", 1))]
            sendings.append(Sending(hour + 4, PACS, "RPACS_ONC", contours))
        if number == 4:
            sendings.append(Sending(hour + 1.5, PACS, "RPACS_ONC", coerced(images)))
        week.add(exam, "PT", *sendings)


def heart(week: Week) -> None:
    """Six cardiac MR; two of the subjects are on the list only on Thursday."""
    for number in range(6):
        exam, hour = week.next("IRM COEUR")
        images = [
            *exam.images(MR, "cine SA", 3), *exam.images(MR, "LGE PSIR", 2),
            *exam.images(MR, "localizer", 1), exam.raw_object(),
        ]  # fmt: skip
        week.add(exam, "MR", Sending(hour, "MR_CARDIO", "RPACS_CMR", images))
        (week.enrolled if number < 4 else week.enrolled_late).append(exam.patient)


PLAIN = {
    "CR": (CR, "1"), "DX": (CR, "1.1"), "MG": (CR, "1.2"), "RF": (CR, "12.2"), "XA": (CR, "12.1"),
    "US": (US, "6.1"), "NM": (NM, "20"), "OT": (SCREEN, "7"),
}  # fmt: skip


def registry(week: Week) -> None:
    """Twelve studies of everything else, which the PACS forwards to the registry."""
    for modality in ("CR", "DX", "MG", "CR", "DX", "US", "XA", "RF", "NM", "MG", "RTPLAN", "OT"):
        exam, hour = week.next(f"EXAMEN {modality}")
        if modality == "RTPLAN":
            plan, contours = exam.made(RTPLAN, "Plan", 1), exam.made(RTSTRUCT, "Contours", 1)
            made = [Instance(plan), Instance(contours), *exam.images(CT, "Dosimétrie", 3)]
        else:
            of, sop_class = PLAIN[modality]
            kind = {"Modality": modality, "SOPClassUID": STORAGE + sop_class}
            made = exam.images(of, f"{modality} face", 2, ImageType=["ORIGINAL", "PRIMARY"], **kind)
        if modality in ("XA", "RF", "MG"):
            made.append(exam.dose_report())
        week.add(exam, modality, Sending(hour, PACS, "RPACS_REG", made))


def mishaps(week: Week) -> None:
    """A study to the box's plain AE title, and a study of which one series has another's name."""
    exam, hour = week.next("SCANNER FOIE")
    images = [*abdomen(exam), exam.dose_report()]
    week.add(
        exam, "CT", Sending(hour, "CT_RADIO_1", "RESEARCHPACS", images),
        mishap="sent to the AE title without a project",
    )  # fmt: skip
    exam, hour = week.next("SCANNER FOIE")
    images = abdomen(exam)
    for one in images[-2:]:
        one.dataset.PatientID, one.dataset.PatientName = "0099999991", "AUTRE^PATIENT"
    week.add(
        exam, "CT", Sending(hour, "CT_RADIO_1", "RPACS_LIV", images),
        mishap="another patient's worklist entry chosen in between",
    )  # fmt: skip


def abdomen(exam: Examination) -> list[Instance]:
    """A localizer and two phases."""
    scout = exam.images(CT, "Topogramme", 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    return [*scout, *exam.images(CT, "Artériel", 3), *exam.images(CT, "Portal", 3)]


def tomograph(exam: Examination, number: int) -> Dataset:
    """A PET slice with what its SUV needs."""
    made = exam.made(CT, "PET WB", number, Modality="PT", SOPClassUID=STORAGE + "128")
    made.PatientWeight, made.PatientSize, made.Units = "72", "1.70", "BQML"
    made.SeriesType, made.CorrectedImage, made.DecayCorrection = (
        ["WHOLE BODY", "IMAGE"],
        ["DECY", "ATTN"],
        "START",
    )
    return made
