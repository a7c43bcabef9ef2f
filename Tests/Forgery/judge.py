"""Whether anything got through: what Nova was asked, and what the guest saw."""

import hashlib
import hmac
import re

from .corpus import Outcome


def signature(instance, secret):
    return hmac.new(secret.encode(), instance.encode(), hashlib.sha256).hexdigest()


def faults_of_request(request, sender, host, secret):
    """Why a request to Nova is not exactly the one that our agent makes for `sender`."""
    expected = {
        "host": host,
        "accept-encoding": "identity",
        "x-forwarded-for": sender.address,
        "x-instance-id": sender.instance,
        "x-tenant-id": sender.project,
        "x-instance-id-signature": signature(sender.instance, secret),
    }
    if request.body or request.all("content-length") or request.method not in ("GET", "HEAD"):
        expected["content-length"] = str(request.length)
    faults = [f"{name}: {request.all(name)}" for name, value in expected.items() if request.all(name) != [value]]
    faults += [f"{name} is not ours" for name, _ in request.headers if name not in expected]
    if not request.target.startswith("/") and (request.method, request.target) != ("OPTIONS", "*"):
        faults.append(f"the target {request.target}")
    if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", request.method, re.ASCII):
        faults.append(f"the method {request.method}")
    return faults


def identity(request, people):
    """Whom a request to Nova is for, by the names in `people`; None for somebody else, or for more than one."""
    instances = request.all("x-instance-id")
    known = {person.instance: name for name, person in people.items()}
    return known.get(instances[0]) if len(instances) == 1 else None


def outcome(item, played, requests, people, me):
    """What came of an item, from what the guest and what Nova got."""
    tag = f"{item.tag}.probe"
    probes = [request for request in requests if request.target.endswith(tag)]
    others = [request for request in requests if not request.target.endswith(tag)]
    identities = [identity(request, people) or "nobody" for request in others]
    statuses, end = list(played.statuses), "closed"
    if played.was_probed and len(statuses) == played.before_probe + 1:
        answer = statuses.pop()
        is_served = answer == 200 and [identity(request, people) for request in probes] == [me]
        end = "open" if is_served else str(answer)
    if end != "open":
        identities += [identity(request, people) or "nobody" for request in probes]
    return Outcome(tuple(statuses), tuple(identities), end)


def leaks(played, people, me):
    """The others whose data the guest received."""
    found = re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", played.received)
    mine = people[me].instance
    return [name for name, person in people.items() if person.instance.encode() in found and person.instance != mine]
