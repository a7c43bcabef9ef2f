"""Creates, deletes and refreshes instances through Nova's own objects: `nova_instances.py NOVA.CONF < ORDER.json`.

Runs as a process of its own, because Nova's configuration and database layer are global to a process.
"""

import base64
import json
import sys
import uuid

from nova import config, context, exception, objects
from nova.network import model
from nova.network import neutron as network_api
from oslo_utils import timeutils

USER = "stack-user"
KEY_NAME = "stack-key"
# Not text: what arrives must be this, bit for bit.
USER_DATA = b"#!/bin/sh\necho %s\n" + bytes(range(256))


def keypair(admin, public_key):
    try:
        return objects.KeyPair.get_by_name(admin, USER, KEY_NAME)
    except exception.KeypairNotFound:
        made = objects.KeyPair(admin, user_id=USER, name=KEY_NAME, type="ssh", public_key=public_key)
        made.fingerprint = ":".join(["00"] * 16)
        made.create()
        return made


def flavor(cell):
    return objects.Flavor(
        cell,
        id=1,
        name="tiny",
        flavorid="1",
        memory_mb=512,
        vcpus=1,
        root_gb=1,
        ephemeral_gb=0,
        swap=0,
        rxtx_factor=1.0,
        vcpu_weight=0,
        is_public=True,
        disabled=False,
        extra_specs={},
    )


def create(admin, cell, mapping, guest, key):
    user_data = USER_DATA.replace(b"%s", guest["hostname"].encode())
    instance = objects.Instance(
        cell,
        uuid=guest["instance_id"],
        user_id=USER,
        project_id=guest["project_id"],
        display_name=guest["hostname"],
        hostname=guest["hostname"],
        host="no-compute",
        vm_state="active",
        power_state=1,
        image_ref=str(uuid.UUID(int=1)),
        launched_at=timeutils.utcnow(),
        launch_index=0,
        reservation_id="r-" + guest["instance_id"][:8],
        availability_zone="nova",
        key_name=key.name,
        key_data=key.public_key,
        user_data=base64.b64encode(user_data).decode(),
        metadata={"role": guest["hostname"]},
        system_metadata={},
        instance_type_id=1,
        memory_mb=512,
        vcpus=1,
        root_gb=1,
        ephemeral_gb=0,
        root_device_name="/dev/vda",
        flavor=flavor(cell),
        old_flavor=None,
        new_flavor=None,
        security_groups=objects.SecurityGroupList(objects=[]),
    )
    instance.keypairs = objects.KeyPairList(objects=[key])
    instance.info_cache = objects.InstanceInfoCache(network_info=model.NetworkInfo())
    instance.create()
    objects.InstanceMapping(
        admin,
        instance_uuid=instance.uuid,
        project_id=guest["project_id"],
        cell_mapping=mapping,
        user_id=USER,
        queued_for_delete=False,
    ).create()


def refresh(cell, guest):
    instance = objects.Instance.get_by_uuid(cell, guest["instance_id"], expected_attrs=["info_cache", "flavor"])
    network_api.API().get_instance_nw_info(cell, instance, force_refresh=True)


def delete(admin, cell, guest):
    objects.Instance.get_by_uuid(cell, guest["instance_id"]).destroy()
    objects.InstanceMapping.get_by_instance_uuid(admin, guest["instance_id"]).destroy()


def main():
    order = json.load(sys.stdin)
    config.parse_args(["nova-instances"], default_config_files=[sys.argv[1]])
    objects.register_all()
    admin = context.get_admin_context()
    mapping = next(each for each in objects.CellMappingList.get_all(admin) if each.name == "cell1")
    for verb in ("create", "refresh", "delete"):
        for guest in order[verb]:
            owner = context.RequestContext(USER, guest["project_id"], is_admin=True)
            with context.target_cell(owner, mapping) as cell:
                if verb == "create":
                    create(admin, cell, mapping, guest, keypair(admin, order["key"]))
                    if guest["has_port"]:
                        refresh(cell, guest)
                elif verb == "refresh":
                    refresh(cell, guest)
                else:
                    delete(admin, cell, guest)


main()
