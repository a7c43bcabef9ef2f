"""Runs inside a guest's namespace: boots cloud-init's OpenStack data source with its own patience.

    default_boot.py FOLDER

As guest_boot.py, but nothing about time-outs and retries is set. Prints what a simulated guest can lose as JSON.
"""

import json
import logging
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
logging.basicConfig(filename=folder / "cloud-init.log", level=logging.DEBUG)

from cloudinit import distros, helpers, util  # noqa: E402  (the log comes first)
from cloudinit.sources import DataSourceOpenStack as module  # noqa: E402


def main():
    paths = helpers.Paths({"cloud_dir": str(folder / "lib"), "run_dir": str(folder / "run")})
    for path in (paths.cloud_dir, paths.run_dir):
        pathlib.Path(path).mkdir(exist_ok=True)
    util.is_resolvable_url = lambda url: True
    # This machine is no such cloud; releases ask in one of these two ways.
    module.detect_openstack = lambda **_: True
    settings = {"metadata_urls": ["http://169.254.169.254"]}
    system = {"datasource_list": ["OpenStack"], "datasource": {"OpenStack": settings}}
    source = module.DataSourceOpenStack(system, distros.fetch("debian")("debian", {}, paths), paths)
    source.ds_detect = lambda: True
    # A metadata document that surprises it ends cloud-init's stage with a traceback, and the boot without its data.
    try:
        found = source.get_data()
    except Exception as error:
        logging.exception("the stage failed")
        found = False
    lost = []
    if found:
        if not source.userdata_raw:
            lost.append("user data")
        if source.network_json is None:
            lost.append("network data")
        if not source.ec2_metadata:
            lost.append("EC2 tree")
    json.dump({"found": found, "lost": lost}, sys.stdout)


main()
