import Crypto
public import MetadataModel

/// Signs instance ids for Nova, so that Nova believes who is asking.
///
/// The signature is HMAC-SHA256 of the id with `metadata_proxy_shared_secret`, in lower-case hexadecimal, as
/// in every Neutron release since Grizzly. It depends on nothing but the id, so it is made once per instance
/// and kept with it. No description or mirror of a signer shows the secret.
public struct InstanceSigner: Sendable {
    private let key: SymmetricKey

    /// - Parameter secret: the text Nova has too. Empty is legal: Neutron's default is an empty secret.
    public init(secret: String) {
        key = SymmetricKey(data: Array(secret.utf8))
    }

    /// 64 lower-case hexadecimal digits.
    public func signature(of id: ResourceID) -> String {
        String(decoding: signatureDigits(of: Array(id.description.utf8)), as: UTF8.self)
    }

    /// The three header lines Nova identifies an instance by, each closed by CR LF, ready to be copied into a
    /// request. The project is the one that owns the port: Nova refuses a mismatch (CVE-2013-6419).
    public func headerBlock(for instance: Instance) -> [UInt8] {
        let id = Array(instance.id.description.utf8)
        var block: [UInt8] = []
        block.append(contentsOf: "X-Instance-ID: ".utf8)
        block.append(contentsOf: id)
        block.append(contentsOf: "\r\nX-Tenant-ID: ".utf8)
        block.append(contentsOf: instance.projectID.description.utf8)
        block.append(contentsOf: "\r\nX-Instance-ID-Signature: ".utf8)
        block.append(contentsOf: signatureDigits(of: id))
        block.append(contentsOf: "\r\n".utf8)
        return block
    }

    private func signatureDigits(of id: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return HMAC<SHA256>.authenticationCode(for: id, using: key).flatMap { byte in
            [digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
        }
    }
}

extension InstanceSigner: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "InstanceSigner(secret: ****)" }
    public var debugDescription: String { description }
    /// Without children, so that `dump` and string interpolation of an enclosing value do not reach the key.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
