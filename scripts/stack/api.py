"""Keystone's and Neutron's REST APIs, as the cloud's administrator. Standard library only."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

from .settings import StackError


class Refused(StackError):
    """A service answered with an error; `status` says which."""

    def __init__(self, method, url, status, body):
        super().__init__(f"{method} {url}: {status} {body[:400]}")
        self.status = status


def call(method, url, body=None, headers=None, timeout=60):
    """(headers, decoded JSON). Errors are `Refused`, an unreachable service is `StackError`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with opener.open(asked, timeout=timeout) as answer:
            text = answer.read()
            return answer.headers, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise Refused(method, url, error.code, error.read().decode(errors="replace")) from None
    except OSError as error:
        raise StackError(f"{method} {url}: {error}; `make stack-status` shows what runs") from None


class Cloud:
    """Requests with a token of the administrator's, which is renewed before it ends."""

    TOKEN_SECONDS = 1800

    def __init__(self, settings):
        self.settings = settings
        self._token, self._since = None, 0.0

    @property
    def token(self):
        if self._token is None or time.monotonic() - self._since > self.TOKEN_SECONDS:
            domain = {"domain": {"id": "default"}}
            user = {"name": "admin", "password": self.settings.admin_password, **domain}
            body = {
                "auth": {
                    "identity": {"methods": ["password"], "password": {"user": user}},
                    "scope": {"project": {"name": "admin", **domain}},
                }
            }
            headers, _ = call("POST", self.settings.keystone_url + "/auth/tokens", body)
            self._token, self._since = headers["X-Subject-Token"], time.monotonic()
        return self._token

    def _authorized(self, method, url, body=None):
        return call(method, url, body, {"X-Auth-Token": self.token})[1]

    # MARK: Neutron

    def neutron(self, method, path, body=None):
        """`path` from /v2.0 on, without it: `ports/ID`."""
        return self._authorized(method, f"{self.settings.neutron_url}/v2.0/{path}", body)

    def create(self, kind, **values):
        """Makes a network, subnet, port or router and returns it."""
        return self.neutron("POST", f"{kind}s", {kind: values})[kind]

    def update(self, kind, identity, **values):
        return self.neutron("PUT", f"{kind}s/{identity}", {kind: values})[kind]

    def delete(self, kind, identity):
        self.neutron("DELETE", f"{kind}s/{identity}")

    def agents(self, **filters):
        return self.neutron("GET", "agents?" + urllib.parse.urlencode(filters))["agents"]

    # MARK: Keystone

    def keystone(self, method, path, body=None):
        return self._authorized(method, f"{self.settings.keystone_url}/{path}", body)

    def ensure(self, kind, match, more=None):
        """The id of the thing that matches; it is made if there is none."""
        found = self.keystone("GET", f"{kind}s?{urllib.parse.urlencode(match)}")[f"{kind}s"]
        if found:
            return found[0]["id"]
        return self.keystone("POST", f"{kind}s", {kind: {**match, **(more or {})}})[kind]["id"]

    def project(self, name):
        return self.ensure("project", {"name": name, "domain_id": "default"})

    def fill_catalog(self):
        project = self.project("service")
        roles = [self.ensure("role", {"name": name}) for name in ("admin", "service")]
        passwords = {"neutron": self.settings.neutron_password, "nova": self.settings.nova_password}
        for name, password in passwords.items():
            user = self.ensure("user", {"name": name, "domain_id": "default"}, {"password": password})
            for role in roles:
                self.keystone("PUT", f"projects/{project}/users/{user}/roles/{role}")
        service = self.ensure("service", {"type": "network", "name": "neutron"})
        for interface in ("public", "internal", "admin"):
            place = {"region_id": "RegionOne", "url": self.settings.neutron_url}
            self.ensure("endpoint", {"service_id": service, "interface": interface}, place)
