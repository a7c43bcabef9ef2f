"""The lab that all black-box tests talk about: names, ids, addresses, and the inventory file that describes them."""

import base64
import hashlib
import hmac

RED = "6b1f0c9a-0000-4000-8000-00000000aaaa"
BLUE = "6b1f0c9a-0000-4000-8000-00000000bbbb"
EDGE = "6b1f0c9a-0000-4000-8000-00000000eeee"
EMPTY_ROUTER = "6b1f0c9a-0000-4000-8000-00000000eeff"
PROJECT = "9d6c5f0e4b3a4c2d8e1f000000000001"
OTHER_PROJECT = "9d6c5f0e4b3a4c2d8e1f000000000002"
SECRET = "correct horse battery"

WEB = "f2b1c0de-0000-4000-8000-000000000010"
WEB_IP = "10.77.0.10"
WEB_MAC = "fa:16:3e:77:00:10"
WEB_LINK_LOCAL = "fe80::f816:3eff:fe77:10"
DATABASE = "f2b1c0de-0000-4000-8000-000000000011"
DATABASE_IP = "10.77.0.11"
# The same address as web's, on another network: only the network tells them apart.
TWIN = "f2b1c0de-0000-4000-8000-000000000020"
TWIN_MAC = "fa:16:3e:78:00:10"
LOOPBACK = "f2b1c0de-0000-4000-8000-000000000030"

ALICE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATestKeyThatOpensNothingAtAllxxxxxxx alice@example"
USER_DATA = bytes(range(256))
USER_DATA_BASE64 = base64.b64encode(USER_DATA).decode()

INVENTORY = f"""\
dhcp_domain: lab.example
keys:
  alice: "{ALICE_KEY}"
networks:
  red: {{id: {RED}, cidr: 10.77.0.0/24, dns: [10.77.0.2]}}
  blue: {{id: {BLUE}, cidr: 10.77.0.0/24}}
  lo: {{cidr: 127.0.0.0/8}}
routers:
  edge: {{id: {EDGE}, networks: [red]}}
  empty: {{id: {EMPTY_ROUTER}}}
defaults:
  project: {PROJECT}
  keys: [alice]
instances:
  web:
    uuid: {WEB}
    network: red
    mac: "{WEB_MAC}"
    fixed_ip: {WEB_IP}
    user_data_base64: {USER_DATA_BASE64}
    meta: {{role: web}}
    vendor_data: {{static: {{cloud-init: "#!/bin/sh"}}}}
  database:
    uuid: {DATABASE}
    network: red
    mac: "fa:16:3e:77:00:11"
    fixed_ip: {DATABASE_IP}
  twin:
    uuid: {TWIN}
    project: {OTHER_PROJECT}
    network: blue
    mac: "{TWIN_MAC}"
    fixed_ip: {WEB_IP}
  loopback:
    uuid: {LOOPBACK}
    network: lo
    mac: "fa:16:3e:00:00:30"
    fixed_ip: 127.0.0.1
"""


def signature(instance, secret=SECRET):
    return hmac.new(secret.encode(), instance.encode(), hashlib.sha256).hexdigest()
