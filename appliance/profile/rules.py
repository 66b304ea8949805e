"""What no single field can tell: names that must be known, settings that must fit together.

Every rule looks at the tree, not at the finished profile: so it speaks even when something else is
wrong, and a person sees all mistakes at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from appliance.errors import Problem
from appliance.profile.clinic import Peer
from appliance.profile.concealment import shown
from appliance.profile.policy import Dates
from appliance.profile.projects import Project
from appliance.profile.query import at, everything, text, texts
from appliance.profile.reading import Tree
from appliance.profile.values import network_of

Rule = Callable[[Tree], Iterator[Problem]]

_UNIQUE = (
    "clinic.peers.*.name",
    "partners.*.name",
    "projects.*.code",
    "notifications.webhooks.*.name",
)
_DATE_OPTIONS = {"shift": "retain_modified_dates", "keep": "retain_full_dates"}
_ASKED = ("query", "move", "results")


def broken(tree: Tree) -> Iterator[Problem]:
    """Every rule that the tree breaks."""
    for rule in _RULES:
        yield from rule(tree)


def _names_are_unique(tree: Tree) -> Iterator[Problem]:
    for pattern in _UNIQUE:
        first: dict[str, str] = {}
        for where, name in texts(tree, pattern):
            # ABC and abc are two codes to a program and one to a person.
            earlier = first.setdefault(name.casefold(), where)
            if earlier != where:
                yield Problem(
                    where, f"{shown(name, where)} is taken by {earlier}: choose another one"
                )


def _lists_name_once(tree: Tree) -> Iterator[Problem]:
    for where, _, value in everything(tree):
        if where.startswith("people.") or ".dossier" in where or not isinstance(value, list):
            continue
        items = [item for item in value if isinstance(item, str)]
        for number, item in enumerate(value):
            if isinstance(item, str) and item in value[:number] and len(items) > 1:
                yield Problem(f"{where}.{number}", "stands twice in this list: remove one")


def _partners_are_known(tree: Tree) -> Iterator[Problem]:
    known = [name for _, name in texts(tree, "partners.*.name")]
    for where, name in texts(tree, "projects.*.partners.*"):
        if name not in known:
            what = f"no partner is called {shown(name, where)}: {_known('partners', known)}"
            yield Problem(where, what)


def _peers_are_known(tree: Tree) -> Iterator[Problem]:
    peers = _by_name(tree, "clinic.peers.*")
    for where, name in texts(tree, "projects.*.results.send_to"):
        if name not in peers:
            what = f"no peer is called {shown(name, where)}: {_known('clinic.peers', [*peers])}"
            yield Problem(where, what)
        elif "results" not in _rights(peers[name]):
            yield Problem(
                where,
                f"the peer `{name}` does not take results: "
                "add results to its `may`, or choose another peer",
            )


def _callers_are_known(tree: Tree) -> Iterator[Problem]:
    known = [title for _, title in texts(tree, "clinic.peers.*.ae_title")]
    for where, title in texts(tree, "projects.*.route.calling_ae.*"):
        if title not in known:
            what = f"no peer calls itself {shown(title, where)}: {_known('clinic.peers', known)}"
            yield Problem(where, what)


def _research_has_a_partner(tree: Tree) -> Iterator[Problem]:
    for where, project in at(tree, "projects.*"):
        kind = text(project, "kind", _default(Project, "kind"))
        if kind == "research" and not at(project, "partners.*"):
            yield Problem(
                f"{where}.partners",
                "a research project needs a partner: name one of `partners`, "
                "or write `kind: registry` if nothing leaves",
            )


def _registry_exists(tree: Tree) -> Iterator[Problem]:
    kinds = [kind for _, kind in texts(tree, "projects.*.kind")]
    for where, source in texts(tree, "projects.*.source"):
        if source == "registry" and "registry" not in kinds:
            yield Problem(
                where, "no project is a registry: add one (`kind: registry`), or write `clinic`"
            )


def _results_are_offered(tree: Tree) -> Iterator[Problem]:
    partners = _by_name(tree, "partners.*")
    for where, project in at(tree, "projects.*"):
        names = [name for _, name in texts(project, "partners.*") if name in partners]
        kinds = {text(partners[name], "results.kind", "none") for name in names}
        if texts(project, "results.send_to") and kinds == {"none"}:
            yield Problem(
                f"{where}.results.send_to",
                "none of the project's partners returns results: write `results: {kind: qido}` "
                "at the partner, or leave send_to out",
            )


def _dates_fit(tree: Tree) -> Iterator[Problem]:
    for where, policy in at(tree, "projects.*.deid"):
        options = [option for _, option in texts(policy, "options.*")]
        asked = [option for option in _DATE_OPTIONS.values() if option in options]
        if len(asked) > 1:
            yield Problem(
                f"{where}.options",
                "retain_modified_dates and retain_full_dates exclude each other: keep one",
            )
            continue
        dates = text(policy, "dates.policy", _default(Dates, "policy"))
        needed = _DATE_OPTIONS.get(dates)
        if needed is not None and asked != [needed]:
            yield Problem(
                f"{where}.dates.policy",
                f"`{dates}` needs the option {needed} in {where}.options: add it, or write remove",
            )
        if dates == "remove" and asked:
            fitting = next(policy for policy, option in _DATE_OPTIONS.items() if option in asked)
            yield Problem(
                f"{where}.options",
                f"{asked[0]} needs {where}.dates.policy: write `policy: {fitting}` there, "
                "or remove the option",
            )


def _shift_has_a_range(tree: Tree) -> Iterator[Problem]:
    for where, dates in at(tree, "projects.*.deid.dates"):
        least = _number(dates, "min_days", 1)
        most = _number(dates, "max_days", 3650)
        if least > most:
            yield Problem(f"{where}.min_days", f"greater than max_days ({most}): write a lower one")


def _asked_peers_are_reachable(tree: Tree) -> Iterator[Problem]:
    for where, peer in at(tree, "clinic.peers.*"):
        asked = [right for right in _rights(peer) if right in _ASKED]
        if not asked:
            continue
        if not any(port is not None for _, port in at(peer, "port")):
            yield Problem(f"{where}.port", f"is missing: we call this peer ({', '.join(asked)})")
        network = network_of(text(peer, "host"))
        if network is not None and network.num_addresses > 1:
            yield Problem(
                f"{where}.host",
                f"a network cannot be called ({', '.join(asked)}): write the peer's one address",
            )
        proof = text(peer, "proof", _default(Peer, "proof"))
        if "results" in asked and proof.startswith("find") and "query" not in asked:
            yield Problem(
                f"{where}.proof",
                f"{proof} asks the peer: add query to its `may`, or write `proof: person`",
            )


def _peers_can_be_told_apart(tree: Tree) -> Iterator[Problem]:
    by_title: dict[str, list[tuple[str, Tree]]] = defaultdict(list)
    for where, peer in at(tree, "clinic.peers.*"):
        network = network_of(text(peer, "host"))
        title = text(peer, "ae_title")
        for earlier, other in by_title[title]:
            theirs = network_of(text(other, "host"))
            if network is None or theirs is None or network.version != theirs.version:
                continue
            if network.overlaps(theirs):
                yield Problem(
                    f"{where}.ae_title",
                    f"{earlier} has the same AE title at the same address: "
                    "nobody could tell the two apart; remove one or narrow its host",
                )
        if title:
            by_title[title].append((where, peer))


def _static_address_is_given(tree: Tree) -> Iterator[Problem]:
    for where, network in at(tree, "device.network"):
        if text(network, "method") == "static" and not texts(network, "address"):
            yield Problem(f"{where}.address", "is missing: method is static; or write dhcp")


def _mail_can_be_sent(tree: Tree) -> Iterator[Problem]:
    for where, email in at(tree, "notifications.email"):
        has_user, has_secret = bool(texts(email, "user")), bool(texts(email, "secret"))
        if has_user != has_secret:
            missing = "secret" if has_user else "user"
            yield Problem(
                f"{where}.{missing}", "is missing: user and secret go together, or leave both out"
            )
        if at(email, "to") and not at(email, "to.*"):
            yield Problem(f"{where}.to", "nobody is told: write at least one address")


def _something_is_served(tree: Tree) -> Iterator[Problem]:
    if [] in (value for _, value in at(tree, "projects")):
        yield Problem("projects", "the list is empty: write at least one project")


_RULES: tuple[Rule, ...] = (
    _names_are_unique,
    _lists_name_once,
    _partners_are_known,
    _peers_are_known,
    _callers_are_known,
    _research_has_a_partner,
    _registry_exists,
    _results_are_offered,
    _dates_fit,
    _shift_has_a_range,
    _asked_peers_are_reachable,
    _peers_can_be_told_apart,
    _static_address_is_given,
    _mail_can_be_sent,
    _something_is_served,
)


def _rights(peer: Tree) -> list[str]:
    if not at(peer, "may"):
        return ["store"]
    return [right for _, right in texts(peer, "may.*")]


def _by_name(tree: Tree, pattern: str) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    for _, item in at(tree, pattern):
        found.setdefault(text(item, "name"), item)
    return found


def _number(tree: Tree, key: str, otherwise: int) -> int:
    found = [value for _, value in at(tree, key) if isinstance(value, int)]
    return found[0] if found else otherwise


def _default(model: type[Peer] | type[Project] | type[Dates], name: str) -> str:
    return str(model.model_fields[name].default)


def _known(where: str, names: list[str]) -> str:
    return f"{where} has {', '.join(names)}" if names else f"{where} is empty"
