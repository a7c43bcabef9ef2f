import Crypto
import MetadataModel

/// Ids for what the inventory only names: the same name gives the same id on every machine and in every
/// run, so that a lab can be rebuilt without guests noticing (cloud-init starts over when the uuid changes).
enum NameBasedID {
    /// RFC 9562 asks for a namespace of one's own; this one is random and must never change.
    private static let namespace: [UInt8] = [
        0x6E, 0x0F, 0x3B, 0x5C, 0x53, 0x7A, 0x4D, 0x0E, 0x9B, 0x1D, 0x2C, 0x84, 0xA7, 0x61, 0xD8, 0x35,
    ]

    /// The sixteen bytes of a version 5 UUID (SHA-1, RFC 9562 section 5.5).
    static func bytes(_ name: String) -> [UInt8] {
        var hash = Insecure.SHA1()
        hash.update(data: namespace)
        hash.update(data: Array(name.utf8))
        var bytes = Array(hash.finalize().prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x50
        bytes[8] = bytes[8] & 0x3F | 0x80
        return bytes
    }

    static func uuid(_ name: String) -> ResourceID {
        let bytes = bytes(name)
        return ResourceID(
            high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
        )
    }

    /// The project of instances that name none.
    static var projectID: ResourceID { uuid("project/default") }

    /// The first four bytes as eight digits, for EC2's short ids.
    static func short(_ name: String) -> String {
        bytes(name).prefix(4).map(hexadecimal).joined()
    }

    /// A locally administered unicast address. Forty bits come from the name: Neutron's `fa:16:3e` leaves
    /// only 24, in which two of a thousand ports would meet too often.
    static func mac(_ name: String) -> MACAddress {
        MACAddress(value: bytes(name).prefix(5).reduce(0xFA) { $0 << 8 | UInt64($1) })
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
