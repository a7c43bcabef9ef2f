import OsloConfig

/// How the agent reaches Nova's metadata API and proves who it is.
enum NovaOptions {
    static let all: [Option] = [
        Option(
            "nova_metadata_host",
            kind: .hostAddress,
            defaultValue: "127.0.0.1",
            help: "Address or DNS name of Nova's metadata API. An IPv6 address is written without brackets.",
            // The alias lasted one release upstream; files that use it are much older than that.
            deprecatedNames: [Option.Name(name: "nova_metadata_ip")],
            since: "Pike"
        ),
        Option(
            "nova_metadata_port",
            kind: .port,
            defaultValue: "8775",
            help: "TCP port of Nova's metadata API.",
            since: "Grizzly"
        ),
        Option(
            "nova_metadata_protocol",
            kind: .string(choices: ["http", "https"]),
            defaultValue: "http",
            help: "How to speak to Nova's metadata API: http, or https for TLS.",
            since: "Juno"
        ),
        Option(
            "nova_metadata_insecure",
            kind: .boolean,
            defaultValue: "false",
            help: "Accept any certificate from Nova's metadata API when nova_metadata_protocol is https. Anybody on "
                + "the path can then read what guests are given; use auth_ca_cert instead.",
            since: "Juno"
        ),
        Option(
            "nova_client_cert",
            kind: .string(),
            defaultValue: "",
            help: "Path of the PEM client certificate to show to Nova's metadata API. Used only together with "
                + "nova_client_priv_key; with one of the two empty no certificate is shown.",
            since: "Juno"
        ),
        Option(
            "nova_client_priv_key",
            kind: .string(),
            defaultValue: "",
            help: "Path of the PEM private key of nova_client_cert.",
            since: "Juno"
        ),
        Option(
            "auth_ca_cert",
            kind: .string(),
            help: "Path of a PEM file with the certificate authorities that sign the certificates of Nova's metadata "
                + "API, Keystone and the Neutron API. Unset means the system's authorities.",
            since: "Icehouse"
        ),
        Option(
            "metadata_proxy_shared_secret",
            kind: .string(),
            defaultValue: "",
            help: "Secret with which the agent signs the instance id for Nova. It must equal "
                + "metadata_proxy_shared_secret in the [neutron] group of nova.conf, otherwise Nova answers 403. "
                + "Write $$ for a dollar sign.",
            isSecret: true,
            since: "Grizzly"
        ),
    ]
}
