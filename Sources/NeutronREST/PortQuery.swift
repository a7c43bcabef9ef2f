import InstanceDirectory
import MetadataModel

/// The questions about ports, as form-encoded query strings for `GET /v2.0/ports`.
///
/// Only filters that every release knows are sent: servers with filter validation refuse others with 400.
/// Networks are never part of a question. A router may join so many that the URI overflows (Juno, LP 1348097),
/// so they are compared afterwards, by `PortMatch`.
enum PortQuery {
    /// All ports by which a router joins its networks.
    static func interfaces(of router: ResourceID) -> String {
        form([("device_id", router.description)] + PortMatch.routerInterfaceOwners.map { ("device_owner", $0) })
    }

    /// All ports, on whichever network, that have the address or MAC. The server compares strings, so both are
    /// written as Neutron stores them.
    static func ports(of subject: Claim.Subject) -> String {
        switch subject {
        case .fixedIP(let address): form([("fixed_ips", "ip_address=\(address)")])
        case .mac(let mac): form([("mac_address", mac.description)])
        }
    }

    private static func form(_ fields: [(name: String, value: String)]) -> String {
        fields.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&")
    }

    /// Keeps the unreserved characters of RFC 3986; none of our values holds a blank.
    private static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += byte < 16 ? "%0" : "%"
                encoded += String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
