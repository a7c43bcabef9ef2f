"""The services' configuration files: Debian's defaults, plus what makes them small, quick and alone on loopback."""

import base64
import hashlib
import json
import shutil

# The broker only takes in a password that was hashed already: four bytes of salt, then SHA-256.
SALT = b"bhsk"
# By default Nova shows an instance for 15 seconds after it was changed or deleted.
NOVA_CACHE_SECONDS = 1


def write(settings):
    """Writes all files; what runs keeps what it has read."""
    for folder in (settings.etc, settings.logs, settings.run, settings.data):
        folder.mkdir(exist_ok=True)
    for name in ("keystone", "neutron", "nova", "rabbitmq"):
        (settings.etc / name).mkdir(exist_ok=True)
        (settings.data / name).mkdir(exist_ok=True)
    _mariadb(settings)
    _rabbitmq(settings)
    _keystone(settings)
    _neutron(settings)
    _nova(settings)


def ini(sections):
    """The text of an oslo.config file from {section: {option: value}}."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in options.items() if value is not None]
    return "\n".join(lines) + "\n"


def _service_account(settings, name, password):
    return {
        "auth_url": settings.keystone_url,
        "auth_type": "password",
        "username": name,
        "password": password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def _mariadb(settings):
    data = settings.data / "mariadb"
    # Nothing in here has to survive a power cut, so it does not wait for the disk.
    options = {
        "user": "root",
        "datadir": data,
        "socket": settings.database_socket,
        "pid-file": data / "mariadbd.pid",
        "skip-networking": None,
        "skip-grant-tables": None,
        "skip-log-bin": None,
        "character-set-server": "utf8mb3",
        "max_connections": 300,
        "performance_schema": "off",
        "innodb_buffer_pool_size": "128M",
        "innodb_log_file_size": "32M",
        "innodb_flush_log_at_trx_commit": 0,
        "innodb_flush_method": "nosync",
        "innodb_doublewrite": 0,
        "tmpdir": settings.data,
    }
    lines = [name if value is None else f"{name} = {value}" for name, value in options.items()]
    (settings.etc / "mariadb.cnf").write_text("[mysqld]\n" + "\n".join(lines) + "\n")


def _rabbitmq(settings):
    folder = settings.etc / "rabbitmq"
    digest = hashlib.sha256(SALT + settings.rabbit_password.encode()).digest()
    definitions = {
        "users": [
            {
                "name": settings.rabbit_user,
                "password_hash": base64.b64encode(SALT + digest).decode(),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator",
            }
        ],
        "vhosts": [{"name": settings.vhost}],
        "permissions": [
            {"user": settings.rabbit_user, "vhost": settings.vhost, "configure": ".*", "write": ".*", "read": ".*"}
        ],
    }
    (folder / "definitions.json").write_text(json.dumps(definitions, indent=1))
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{settings.ports['rabbitmq']}\n"
        f"load_definitions = {folder / 'definitions.json'}\n"
        "log.console = true\nlog.console.level = info\nlog.file = false\n"
        "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n"
    )


def _keystone(settings):
    folder = settings.etc / "keystone"
    keys = {"key_repository": folder / "fernet-keys"}
    (folder / "keystone.conf").write_text(
        ini(
            {
                "DEFAULT": {"use_stderr": True},
                "database": {"connection": settings.database_url("keystone"), "max_pool_size": 5},
                "token": {"provider": "fernet"},
                "fernet_tokens": keys,
                "fernet_receipts": keys,
                "credential": {"key_repository": folder / "credential-keys"},
                # The least that bcrypt allows; these passwords protect nothing.
                "identity": {"password_hash_rounds": 4},
            }
        )
    )


def _neutron(settings):
    folder = settings.etc / "neutron"
    (folder / "neutron.conf").write_text(
        ini(
            {
                "DEFAULT": {
                    "host": settings.host,
                    "bind_host": "127.0.0.1",
                    "bind_port": settings.ports["neutron"],
                    "state_path": settings.data / "neutron",
                    "api_paste_config": settings.release.configuration("neutron/api-paste.ini"),
                    "core_plugin": "ml2",
                    "service_plugins": "router",
                    "auth_strategy": "keystone",
                    "transport_url": settings.transport_url,
                    "api_workers": 1,
                    "rpc_workers": 1,
                    "rpc_state_report_workers": 1,
                    "agent_down_time": settings.agent_down_time,
                    # The seed's networks have namespaces already: agents of a network node get what is new only.
                    "network_auto_schedule": False,
                    "router_auto_schedule": False,
                    "notify_nova_on_port_status_changes": False,
                    "notify_nova_on_port_data_changes": False,
                },
                "agent": {"report_interval": settings.report_interval},
                "database": {"connection": settings.database_url("neutron"), "max_pool_size": 5, "max_overflow": 10},
                # The one mechanism that needs no kernel module of its own; Zed calls it experimental, and the newest
                # release does not have it any more.
                "experimental": {"linuxbridge": True},
                "keystone_authtoken": {
                    "www_authenticate_uri": settings.keystone_url,
                    **_service_account(settings, "neutron", settings.neutron_password),
                },
                "oslo_concurrency": {"lock_path": settings.data / "neutron/lock"},
            }
        )
    )
    (folder / "ml2_conf.ini").write_text(
        ini(
            {
                "ml2": {
                    "type_drivers": "local,vxlan",
                    "tenant_network_types": "vxlan",
                    "mechanism_drivers": ",".join(settings.release.mechanism_drivers),
                    "extension_drivers": "port_security",
                },
                "ml2_type_vxlan": {"vni_ranges": "1:1000"},
            }
        )
    )


def _nova(settings):
    write_nova(settings, NOVA_CACHE_SECONDS)
    shutil.copy(settings.release.configuration("nova/api-paste.ini"), settings.etc / "nova/api-paste.ini")


def write_nova(settings, cache_seconds):
    """Nova's file; it takes effect when Nova is started again."""
    folder = settings.etc / "nova"
    (folder / "nova.conf").write_text(
        ini(
            {
                "DEFAULT": {
                    "host": settings.host,
                    "my_ip": "127.0.0.1",
                    "state_path": settings.data / "nova",
                    "transport_url": settings.transport_url,
                    "use_stderr": True,
                },
                "api": {"metadata_cache_expiration": cache_seconds},
                "api_database": {"connection": settings.database_url("nova_api"), "max_pool_size": 5},
                "database": {"connection": settings.database_url("nova"), "max_pool_size": 5},
                "neutron": {
                    "service_metadata_proxy": True,
                    "metadata_proxy_shared_secret": settings.shared_secret,
                    "region_name": "RegionOne",
                    "valid_interfaces": "internal",
                    **_service_account(settings, "nova", settings.nova_password),
                },
                "oslo_concurrency": {"lock_path": settings.data / "nova/lock"},
            }
        )
    )
