"""Lets Neutron's own code write the haproxy files of its L3 and DHCP agents: `neutron_haproxy.py ORDER.json`.

A process of its own, because Neutron's modules belong to the Python environment of their release and configure it
globally. What the agents call is called here, which is the same in Zed and in the newest release.
"""

import json
import sys

from neutron.agent import l3_agent
from neutron.agent.metadata import driver
from oslo_config import cfg

with open(sys.argv[1]) as file:
    order = json.load(file)
l3_agent.register_opts(cfg.CONF)
cfg.CONF([], project="neutron", default_config_files=[], default_config_dirs=[])
cfg.CONF.set_override("state_path", order["state_path"])
for name in ("socket", "user", "group"):
    cfg.CONF.set_override(f"metadata_proxy_{name}", order[name])
for each in order["files"]:
    write = driver.MetadataDriver._get_metadata_proxy_callback(
        each["host"],
        each["port"],
        cfg.CONF,
        network_id=each["network_id"],
        router_id=each["router_id"],
        bind_address_v6=each["host_v6"],
        bind_interface=each["interface"],
    )
    command = write(each["pid_file"])
    # haproxy -f FILE
    print(command[-1])
