"""The profile of an exam: the rules of the real one, every address replaced, waits cut to seconds."""

import yaml

from appliance.errors import Problem, ProfileError
from appliance.exam.traits import Trait
from appliance.profile import Profile, Project, dump, parse

MODALITY = "EXAM_CT"
PACS = "EXAM_PACS"
HOOK_SECRET = "exam-hook"  # noqa: S105 - the name of a secret
SECONDS = 1 / 60
# A synthetic modality pauses for milliseconds; a flush on a slow card is still within it.
SETTLE_MIN = 1 * SECONDS
# As often as a profile may ask. Two looks that find the same are enough to claim a result.
POLL_MIN = 0.01
STABLE_MIN = 0.0


def examined(profile: Profile) -> Project:
    """The project that is walked: the first research project with a partner.

    Raises:
        ProfileError: the profile has none.
    """
    for project in profile.projects:
        if project.kind == "research" and project.partners:
            return project
    raise ProfileError([Problem("projects", "the exam needs a research project with a partner")])


def loopback(
    profile: Profile,
    traits: frozenset[Trait],
    ports: tuple[int, int],
    partner_url: str,
    hook_url: str,
) -> Profile:
    """Only loopback addresses are left; `ports` are ours and the PACS's.

    Under `one-ae` the project is found by enrolment, as in a hospital that gives one AE title. What
    the project takes is left out: it may not want the CT study that is walked.
    """
    project = examined(profile)
    ours, pacs = ports
    tree = yaml.safe_load(dump(profile))
    tree["device"] |= {"time": {}, "proxy": None, "ca": []}
    tree["clinic"]["listen"] |= {"host": "127.0.0.1", "port": ours}
    proof = "find-series" if Trait.NO_IMAGE_FIND in traits else "find-image"
    tree["clinic"]["peers"] = [
        {"name": "modality", "kind": "modality", "ae_title": MODALITY, "host": "127.0.0.1"},
        {
            "name": "pacs", "kind": "pacs", "ae_title": PACS, "host": "127.0.0.1", "port": pacs,
            "may": ["store", "query", "results"], "proof": proof,
        },
    ]  # fmt: skip
    (partner,) = [one for one in tree["partners"] if one["name"] == project.partners[0]]
    partner["send"]["url"] = partner_url
    partner["results"] = {"kind": "qido", "every_min": POLL_MIN, "stable_min": STABLE_MIN}
    tree["partners"] = [partner]
    (walked,) = [one for one in tree["projects"] if one["code"] == project.code]
    walked |= {"partners": [partner["name"]], "settle_min": SETTLE_MIN, "release": "automatic"}
    walked["take"] = []
    walked["results"] = {"release": "review", "send_to": "pacs"}
    route = {"called_ae": None} if Trait.ONE_AE in traits else {"subjects": "any"}
    walked["route"] = {**walked["route"], "calling_ae": [], **route}
    tree["projects"] = [walked]
    hook = {"name": "exam", "url": hook_url, "secret": HOOK_SECRET}
    tree["notifications"] = {"webhooks": [hook]}
    return parse(yaml.safe_dump(tree))


def called_ae(profile: Profile) -> str:
    """Where the synthetic modality sends."""
    return profile.projects[0].route.called_ae or profile.clinic.listen.ae_title
