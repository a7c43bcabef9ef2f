import OsloConfig

/// Credentials for asking Keystone and the Neutron API who owns an address, as all agents did until Juno.
///
/// Neutron dropped these options in Mitaka. Here they select the REST lookup; the ones for Keystone v3 are ours,
/// because Keystone itself dropped v2.0 in Queens.
enum RESTOptions {
    static let all: [Option] = credentials + endpoint

    private static let credentials: [Option] =
        [
            Option(
                "auth_url",
                kind: .string(),
                help:
                    "URL of Keystone, such as http://controller:5000/v3. Setting it turns the lookup over the Neutron "
                    + "API on.",
                since: "Grizzly",
                until: "Liberty"
            ),
            Option(
                "auth_version",
                kind: .string(choices: ["auto", "2.0", "3"]),
                defaultValue: "auto",
                help:
                    "Version of Keystone's API. auto takes it from the path of auth_url, or asks Keystone if the path "
                    + "names none. Bellhop's own."
            ),
            Option(
                "auth_strategy",
                kind: .string(choices: ["keystone", "noauth"]),
                defaultValue: "keystone",
                help:
                    "How to log in to the Neutron API: keystone with a token; noauth without credentials, which needs "
                    + "endpoint_url.",
                since: "Grizzly",
                until: "Liberty"
            ),
            Option(
                "admin_user",
                kind: .string(),
                help: "Name of the Keystone user that looks ports up. It needs the admin role: without it the Neutron "
                    + "API shows only the user's own ports and guests get 404.",
                since: "Grizzly",
                until: "Liberty"
            ),
            Option(
                "admin_password",
                kind: .string(),
                help: "Password of admin_user. Write $$ for a dollar sign.",
                isSecret: true,
                since: "Grizzly",
                until: "Liberty"
            ),
            Option(
                "admin_tenant_name",
                kind: .string(),
                help: "Name of the project that admin_user logs in to.",
                since: "Grizzly",
                until: "Liberty"
            ),
        ] + domain("admin_user_domain", of: "admin_user") + domain("admin_project_domain", of: "admin_tenant_name")

    /// A name and an id for one domain of Keystone v3.
    private static func domain(_ name: String, of subject: String) -> [Option] {
        [
            Option(
                "\(name)_name",
                kind: .string(),
                defaultValue: "Default",
                help: "Name of the Keystone v3 domain of \(subject), used unless \(name)_id is set. Bellhop's own."
            ),
            Option(
                "\(name)_id",
                kind: .string(),
                help: "Id of the Keystone v3 domain of \(subject), such as default. Bellhop's own."
            ),
        ]
    }

    private static let endpoint: [Option] = [
        Option(
            "auth_region",
            kind: .string(),
            help: "Region of the Neutron API in Keystone's catalog, compared exactly. Unset means the first endpoint "
                + "of any region.",
            since: "Grizzly",
            until: "Liberty"
        ),
        Option(
            "auth_insecure",
            kind: .boolean,
            defaultValue: "false",
            help: "Accept any certificate from Keystone and the Neutron API. The password is then readable to "
                + "anybody on the path; use auth_ca_cert instead. Nova has nova_metadata_insecure.",
            since: "Icehouse",
            until: "Liberty"
        ),
        Option(
            "endpoint_type",
            kind: .string(choices: ["adminURL", "internalURL", "publicURL"]),
            defaultValue: "adminURL",
            help: "Which endpoint of the Neutron API to take from Keystone's catalog. If there is no admin endpoint, "
                + "the internal and then the public one is taken.",
            since: "Havana",
            until: "Liberty"
        ),
        Option(
            "endpoint_url",
            kind: .string(),
            help: "URL of the Neutron API, such as http://controller:9696. Unset means the one in Keystone's catalog.",
            since: "Liberty",
            until: "Liberty"
        ),
    ]
}
