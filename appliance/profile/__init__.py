"""The profile: what a site wants of its box, read once, complete, frozen."""

from appliance.profile.clinic import Clinic, Listen, Peer
from appliance.profile.device import Device, DeviceNetwork, People, Site, Ssh, Time
from appliance.profile.inspection import Inspection, inspect, parse
from appliance.profile.model import SCHEMA, Profile
from appliance.profile.notifications import Email, Notifications, Webhook
from appliance.profile.partners import Basic, Bearer, NoAuth, NoResults, Partner, Qido, StowRs
from appliance.profile.policy import (
    Dates,
    LeakGuard,
    Objects,
    Option,
    Pixels,
    Policy,
    Pseudonyms,
)
from appliance.profile.projects import Project, Results, Retention, Route, Take
from appliance.profile.query import at, text, texts
from appliance.profile.reading import Tree
from appliance.profile.section import Section, label
from appliance.profile.sentences import validated
from appliance.profile.values import host_of, is_loopback
from appliance.profile.writing import digest, dump

__all__ = [
    "SCHEMA",
    "Basic",
    "Bearer",
    "Clinic",
    "Dates",
    "Device",
    "DeviceNetwork",
    "Email",
    "Inspection",
    "LeakGuard",
    "Listen",
    "NoAuth",
    "NoResults",
    "Notifications",
    "Objects",
    "Option",
    "Partner",
    "Peer",
    "People",
    "Pixels",
    "Policy",
    "Profile",
    "Project",
    "Pseudonyms",
    "Qido",
    "Results",
    "Retention",
    "Route",
    "Section",
    "Site",
    "Ssh",
    "StowRs",
    "Take",
    "Time",
    "Tree",
    "Webhook",
    "at",
    "digest",
    "dump",
    "host_of",
    "inspect",
    "is_loopback",
    "label",
    "parse",
    "text",
    "texts",
    "validated",
]
