import Logging

/// The loggers of the original, by whose names operators search.
enum ProxyLog {
    static var proxy: Logger { Logger(label: "neutron.agent.metadata.namespace_proxy") }
    static var daemon: Logger { Logger(label: "neutron.agent.linux.daemon") }
    static var config: Logger { Logger(label: "neutron.common.config") }
}
