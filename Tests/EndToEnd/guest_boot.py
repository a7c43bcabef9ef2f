"""Runs inside a guest's namespace: boots one data source of Debian's cloud-init and prints what it learnt as JSON.

    guest_boot.py openstack|ec2 FOLDER

The class is cloud-init's own. Only the question "is this machine such a cloud?" is answered for it, because this
machine is none; every path it may write is inside FOLDER, so no file of the system changes.
"""

import base64
import json
import logging
import pathlib
import sys

folder = pathlib.Path(sys.argv[2])
log = folder / "cloud-init.log"
logging.basicConfig(filename=log, level=logging.DEBUG)

from cloudinit import distros, helpers, util  # noqa: E402  (the log comes first)

METADATA = "http://169.254.169.254"


def text(value):
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


def main():
    paths = helpers.Paths({"cloud_dir": str(folder / "lib"), "run_dir": str(folder / "run")})
    for path in (paths.cloud_dir, paths.run_dir):
        pathlib.Path(path).mkdir(exist_ok=True)
    distro = distros.fetch("debian")("debian", {}, paths)
    settings = {"metadata_urls": [METADATA], "max_wait": 20, "timeout": 10, "retries": 2}
    # Resolving names is not this test's subject, and there is no resolver in here.
    util.is_resolvable_url = lambda url: True

    if sys.argv[1] == "openstack":
        from cloudinit.sources import DataSourceOpenStack as module

        module.detect_openstack = lambda **_: True
        system = {"datasource_list": ["OpenStack"], "datasource": {"OpenStack": settings}}
        source = module.DataSourceOpenStack(system, distro, paths)
        source.ds_detect = lambda: True
    else:
        from cloudinit.sources import DataSourceEc2 as module

        module.identify_platform = lambda: module.CloudNames.UNKNOWN
        system = {"datasource_list": ["Ec2"], "datasource": {"Ec2": {**settings, "strict_id": "false"}}}
        source = module.DataSourceEc2(system, distro, paths)

    found = source.get_data()
    result = {"found": found, "log": str(log)}
    if found:
        result.update(
            instance_id=source.get_instance_id(),
            public_keys=source.get_public_ssh_keys(),
            user_data=text(source.get_userdata_raw()),
            vendor_data=text(source.get_vendordata_raw()),
            hostname=str(source.get_hostname()),
            availability_zone=source.availability_zone,
            metadata=source.metadata,
            network_json=getattr(source, "network_json", None),
            ec2_metadata=getattr(source, "ec2_metadata", None),
            version=str(getattr(source, "version", "")),
        )
        if sys.argv[1] == "openstack":
            from cloudinit.sources.helpers import openstack

            macs = {link["ethernet_mac_address"]: "eth0" for link in (source.network_json or {}).get("links", [])}
            result["network_config"] = openstack.convert_net_json(source.network_json, known_macs=macs)
            result["vendor_data2"] = text(source.get_vendordata2_raw())
    json.dump(result, sys.stdout, default=str)


main()
