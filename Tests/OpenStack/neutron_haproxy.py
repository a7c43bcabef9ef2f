"""Lets Neutron's own code write the haproxy files of its L3 and DHCP agents: `neutron_haproxy.py ORDER.json`.

A process of its own, because Neutron's modules belong to Debian's Python environment and configure it globally.
"""

import json
import os
import sys

from neutron.agent.metadata import driver
from neutron.common import config
from oslo_config import cfg

with open(sys.argv[1]) as file:
    order = json.load(file)
config.register_common_config_options()
cfg.CONF([], project="neutron", default_config_files=[], default_config_dirs=[])
for each in order["files"]:
    configurator = driver.HaproxyConfigurator(
        each["network_id"],
        each["router_id"],
        order["socket"],
        each["host"],
        each["port"],
        order["user"],
        order["group"],
        order["state_path"],
        each["pid_file"],
        each["host_v6"],
        each["interface"],
    )
    configurator.create_config_file()
    print(os.path.join(configurator.get_config_path(order["state_path"]), os.path.basename(configurator.cfg_path)))
