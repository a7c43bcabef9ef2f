"""What we compare with: haproxy as Neutron sets it up and at its best, nginx at its best, and a bare relay in C."""

import os
import subprocess

from . import networks
from .contender import Contender
from .workshop import BUILT


def first_line(words):
    done = subprocess.run(words, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


# What a relay to Nova adds, in the tuned ones: four fields, whatever the guest says of them.
NOVA_FIELDS = {
    "X-Instance-ID": networks.instance_id(0, 0),
    "X-Tenant-ID": networks.PROJECT,
    "X-Instance-ID-Signature": "7a6c3d0f5b1e4298a7d6c3f0b5e1a2987a6c3d0f5b1e4298a7d6c3f0b5e1a298",
}


class NeutronHaproxy(Contender):
    """The hop that every guest of today's Neutron takes, in front of an agent that costs nothing."""

    key = "haproxy"
    title = "haproxy, Neutron's file"
    upstream = "UNIX"
    # `maxconn 1024`, and the load needs some.
    idle_max = 900
    program = "/usr/sbin/haproxy"

    @property
    def targets(self):
        return [f"{networks.listen_address(index)}:{self.port}" for index in range(self.networks)]

    @property
    def socket(self):
        return self.workshop.upstream_socket

    def begin(self):
        self.start_proxies()

    def start_proxies(self):
        files = networks.neutron_files(self.workshop, self.folder, self.networks, self.port, self.socket)
        for file in files:
            # -db: in the foreground, so that its id is known.
            self.run([self.program, "-db", "-f", file], f"proxy-{file.stem}")
        for program, target in zip(self.programs[-len(files) :], self.targets, strict=True):
            self.wait_until_open(program, target)

    def versions(self):
        return first_line([self.program, "-v"]).partition(" https")[0]


class NeutronHaproxyTCP(NeutronHaproxy):
    """The same with an upstream over TCP, for comparing with relays that reach Nova."""

    key = "haproxy-tcp"
    title = "haproxy, Neutron's file, upstream over TCP"
    upstream = "TCP"

    @property
    def socket(self):
        return f"127.0.0.1:{self.workshop.upstream_port}"


class TunedHaproxy(Contender):
    """One thread, connections to the upstream reused, no log."""

    key = "haproxy-tuned"
    title = "haproxy, tuned"

    @property
    def connections_max(self):
        # Two descriptors for each, and some for itself.
        return min(self.workshop.files_max // 2 - 200, 20_000)

    @property
    def idle_max(self):
        # Close to the limit it turns slow.
        return min(self.connections_max - 1_500, 10_000)

    def begin(self):
        fields = "\n".join(f"    http-request set-header {name} {value}" for name, value in NOVA_FIELDS.items())
        file = self.folder / "haproxy.cfg"
        file.write_text(
            f"""\
global
    nbthread 1
    maxconn {self.connections_max}

defaults
    mode http
    timeout http-request 30s
    timeout connect 30s
    timeout client 300s
    timeout server 32s
    timeout http-keep-alive 300s

frontend listener
    bind 127.0.0.1:{self.port}
    option forwardfor
    http-request del-header X-Forwarded-For
{fields}
    default_backend nova

backend nova
    http-reuse always
    server nova 127.0.0.1:{self.workshop.upstream_port}
"""
        )
        program = self.run(["/usr/sbin/haproxy", "-db", "-f", file], "haproxy")
        self.wait_until_open(program)


class TunedNginx(Contender):
    """One worker, connections to the upstream kept, no access log."""

    key = "nginx"
    title = "nginx, tuned"
    # Without a master there is one process, which callgrind can be told what to do.
    has_master = True

    def begin(self):
        fields = "\n".join(f"            proxy_set_header {name} {value};" for name, value in NOVA_FIELDS.items())
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        file = self.folder / "nginx.conf"
        file.write_text(
            f"""\
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
master_process {"on" if self.has_master else "off"};
worker_processes 1;
worker_rlimit_nofile {self.workshop.files_max};
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log warn;
events {{
    worker_connections {self.workshop.files_max - 100};
}}
http {{
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
{temporary}
    upstream nova {{
        server 127.0.0.1:{self.workshop.upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        location / {{
            proxy_pass http://nova;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding "";
            proxy_set_header X-Forwarded-For $remote_addr;
{fields}
        }}
    }}
}}
"""
        )
        program = self.run(["/usr/sbin/nginx", "-c", file, "-e", self.folder / "error.log"], "nginx")
        self.wait_until_open(program)

    def versions(self):
        return first_line(["/usr/sbin/nginx", "-v"]).partition(": ")[2]


class BareRelay(Contender):
    """The limit: our own relay.c, which does nothing that a relay could leave out."""

    key = "relay"
    title = "bare relay in C"

    def begin(self):
        upstream = f"127.0.0.1:{self.workshop.upstream_port}"
        program = self.run([BUILT / "relay", f"127.0.0.1:{self.port}", upstream], "relay")
        self.wait_until_open(program)

    def versions(self):
        return "Benchmarks/programs/relay.c, " + first_line(["gcc", "--version"])
