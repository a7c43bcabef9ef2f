import MetadataModel

/// Step 4. An instance with the headers that prove it to Nova, made once per lookup and kept with the instance:
/// signing costs a request nothing, and the secret never reaches the relay loops.
public struct SignedInstance: Sendable {
    public let instance: Instance
    /// `X-Instance-ID`, `X-Tenant-ID` and `X-Instance-ID-Signature`, each with its line end.
    let headers: [UInt8]

    /// - Parameter headers: complete header lines with CRLF, made of visible ASCII.
    public init(_ instance: Instance, headers: [UInt8]) {
        self.instance = instance
        self.headers = headers
    }
}
