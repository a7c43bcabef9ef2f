"""The file that Neutron's L3 and DHCP agents write for each namespace proxy since 2025.2 (`nbthread 2`)."""


def haproxy_file(identity, kind, binds, socket, pid_file, user="nobody", group="nogroup"):
    """`kind` is Router or Network; `binds` are the words after each `bind`."""
    other = {"Router": "Network", "Network": "Router"}[kind]
    lines = [
        "global",
        "    log         /dev/log local0 info",
        f"    log-tag     haproxy-metadata-proxy-{identity}",
        f"    user        {user}",
        f"    group       {group}",
        "    maxconn     1024",
        "    nbthread    2",
        f"    pidfile     {pid_file}",
        "    daemon",
        "",
        "defaults",
        "    log global",
        "    mode http",
        "    option httplog",
        "    option dontlognull",
        "    option http-server-close",
        "    option forwardfor",
        "    retries                 3",
        "    timeout http-request    30s",
        "    timeout connect         30s",
        "    timeout client          32s",
        "    timeout server          32s",
        "    timeout http-keep-alive 30s",
        "",
        "listen listener",
        *[f"    bind {bind}" for bind in binds],
        f"    server metadata {socket}",
        f"    http-request del-header X-Neutron-{other}-ID",
        f"    http-request set-header X-Neutron-{kind}-ID {identity}",
    ]
    return "\n".join(lines) + "\n"
