import Crypto
import Inventory
import MetadataModel
import NovaMetadata

/// Decides whose documents a request may read, by the headers that a metadata agent adds, in the order in
/// which Nova looks at them.
///
/// Relies on nothing the guest sends: the agent drops the guest's headers and signs the instance id.
struct NovaGate: Sendable {
    enum Admission {
        case admitted(InstanceRecord)
        /// - Parameter warning: what the operator should hear, a constant sentence.
        case refused(MetadataAnswer, warning: String?)
    }

    /// The header names of the agent's request.
    enum Header: String, CaseIterable {
        case instanceID = "X-Instance-ID"
        case signature = "X-Instance-ID-Signature"
        case projectID = "X-Tenant-ID"
        case forwardedFor = "X-Forwarded-For"
        case provider = "X-Metadata-Provider"
    }

    private let secret: SymmetricKey

    /// - Parameter secret: `metadata_proxy_shared_secret`; an empty one is legal and is then used as the key.
    init(secret: String) {
        self.secret = SymmetricKey(data: Array(secret.utf8))
    }

    /// - Parameter header: the value of a header, several values joined with commas; nil if it is missing.
    func admit(_ header: (Header) -> String?, to inventory: Inventory) -> Admission {
        if header(.provider)?.isEmpty == false {
            // Here Nova would find the instance by an address that the sender names.
            return .refused(
                .failure(400, "X-Metadata-Provider is not supported."),
                warning: "Refused a request of a load balancer: only metadata agents are served"
            )
        }
        var values: [Header: String] = [:]
        for name in [Header.instanceID, .signature, .projectID] {
            guard let value = header(name) else {
                return .refused(.failure(400, "\(name.rawValue) header is missing from request."), warning: nil)
            }
            values[name] = value
        }
        let instanceID = values[.instanceID, default: ""]
        guard isSignature(values[.signature, default: ""], of: instanceID) else {
            return .refused(
                .failure(403, "Invalid proxy request signature."),
                warning: "Refused a signature: agent and Nova must have the same metadata_proxy_shared_secret"
            )
        }
        guard let instance = ResourceID(instanceID).flatMap(inventory.instance) else {
            return .refused(.notFound, warning: "The agent asks for an instance that the inventory does not have")
        }
        // A port whose device_id names another project's instance must not get at it (CVE-2013-6419).
        guard values[.projectID] == instance.projectID.description else {
            return .refused(.notFound, warning: "The port and the instance belong to different projects")
        }
        return .admitted(instance)
    }

    /// Compares in constant time: the time a refusal takes must not tell how much of a guess was right.
    private func isSignature(_ text: String, of instanceID: String) -> Bool {
        guard let code = Self.bytes(hexadecimal: text) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array(instanceID.utf8), using: secret)
    }

    /// Lower case only, as Nova compares the text.
    private static func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 2 * SHA256.byteCount else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
