import Foundation
import InMemoryLogging
import InstanceDirectory
import Logging
import MetadataModel
import OsloMessaging
import Testing

/// Claims by names, so that a test reads as what it asserts.
func networkClaim(_ address: String = "10.0.0.5", network: String = "net-a") throws -> Claim {
    let scope = Scope.network(try #require(ResourceID(network)))
    let guest = try #require(IPAddress(address))
    return try #require(Claim(scope: scope, address: guest))
}

func routerClaim(_ address: String = "10.0.0.5", router: String = "router-a") throws -> Claim {
    let scope = Scope.router(try #require(ResourceID(router)))
    let guest = try #require(IPAddress(address))
    return try #require(Claim(scope: scope, address: guest))
}

func found(_ id: String, project: String = "project-a") throws -> Finding {
    .instance(Instance(id: try #require(ResourceID(id)), projectID: try #require(ResourceID(project))))
}

/// A port as a Zed server gives it over the bus.
func port(
    _ id: String,
    device: String = "vm-1",
    owner: String = "compute:nova",
    network: String = "net-a",
    address: String = "10.0.0.5",
    mac: String = "fa:16:3e:00:00:01"
) -> JSONValue {
    [
        "id": .string(id), "name": "", "network_id": .string(network), "tenant_id": "project-a",
        "project_id": "project-a", "mac_address": .string(mac), "admin_state_up": true, "status": "ACTIVE",
        "device_id": .string(device), "device_owner": .string(owner), "standard_attr_id": 26,
        "fixed_ips": [["subnet_id": "subnet-a", "ip_address": .string(address)]], "allowed_address_pairs": [],
        "extra_dhcp_opts": [], "security_groups": ["group-a"], "description": "", "binding:vnic_type": "normal",
        "binding:profile": [:], "binding:host_id": "", "binding:vif_type": "unbound", "binding:vif_details": [:],
        "port_security_enabled": true, "tags": [], "created_at": "2026-11-22T20:25:42Z",
        "updated_at": "2026-11-22T20:25:42Z", "revision_number": 1,
    ]
}

extension JSONValue {
    subscript(key: String) -> JSONValue? {
        if case .object(let fields) = self { fields[key] } else { nil }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var keys: Set<String> {
        if case .object(let fields) = self { Set(fields.keys) } else { [] }
    }

    /// As it goes over the wire.
    var json: String {
        get throws { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }
    }
}

extension InMemoryLogHandler {
    /// `level: message` of every line.
    var lines: [String] { entries.map { "\($0.level): \($0.message)" } }

    var logger: Logger { Logger(label: "test") { _ in self } }
}
