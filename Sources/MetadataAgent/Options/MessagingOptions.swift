import OsloConfig

/// The message bus in general: which broker, which exchange, how long to wait.
enum MessagingOptions {
    static let all: [Option] = [
        Option(
            "transport_url",
            kind: .string(),
            help: "Brokers and credentials in one URL: rabbit://USER:PASSWORD@HOST:PORT,USER:PASSWORD@HOST:PORT/VHOST. "
                + "Special characters in the user, password and virtual host are written as %XX. Settings of "
                + "[oslo_messaging_rabbit] may follow after a question mark.",
            isSecret: true,
            since: "Icehouse"
        ),
        Option(
            "rpc_backend",
            kind: .string(choices: ["rabbit", "neutron.openstack.common.rpc.impl_kombu", "neutron.rpc.impl_kombu"]),
            defaultValue: "rabbit",
            help: "Kind of message broker, if transport_url does not say. Only RabbitMQ is supported.",
            since: "Grizzly",
            until: "Rocky"
        ),
        Option(
            "control_exchange",
            kind: .string(),
            defaultValue: "neutron",
            help: "AMQP exchange on which the Neutron server takes requests. It must be the server's.",
            since: "Grizzly"
        ),
        Option(
            "rpc_response_timeout",
            kind: .integer(min: 1),
            defaultValue: "60",
            help:
                "Seconds to wait for an answer of the Neutron server. A lookup for a guest never waits longer than 30.",
            since: "Grizzly"
        ),
        Option(
            "rpc_response_max_timeout",
            kind: .integer(min: 1),
            defaultValue: "600",
            help: "Seconds up to which the wait for an answer used to grow after each timeout.",
            effect: .none("the wait for an answer does not grow"),
            since: "Stein"
        ),
        Option(
            "executor_thread_pool_size",
            kind: .integer(),
            defaultValue: "64",
            help: "Number of threads that serve incoming messages.",
            deprecatedNames: [Option.Name(name: "rpc_thread_pool_size")],
            effect: .none("the agent serves no incoming messages"),
            since: "Juno"
        ),
    ]
}
