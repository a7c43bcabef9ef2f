import Inventory
import MetadataModel
import Testing

@testable import EmbeddedNova
@testable import NovaMetadata

@Suite struct NovaGateTests {
    static let id = "7a9c2f9e-3d1b-4f53-8a51-0e6f2c5d9b10"
    static let project = "8f1d7e0c5b6a4f3e9d2c1b0a99887766"
    static let lab = "instances: {web: {uuid: \(id), project: \(project), user_data_base64: H4sI/8M=}}"
    /// Of `id`, computed with Python's `hmac`.
    static let signature = "cc9ea1e0a129963ef3ae923155de6b6b84e252a6f710cdd4df99ef59b1ceb4e1"
    static let emptySecretSignature = "4d26cadf73e7308327d5c7bfd6d16ba74d9d90c990fbd751ff987e7da85a31eb"

    private func status(_ headers: [NovaGate.Header: String], secret: String = "s3cret") throws -> String {
        let inventory = try InventoryFile.parse(Self.lab, path: "lab.yaml")
        switch NovaGate(secret: secret).admit({ headers[$0] }, to: inventory) {
        case .admitted(let instance): return "admitted \(instance.name)"
        case .refused(let answer, _):
            return "\(answer.status) " + String(decoding: answer.body, as: UTF8.self).dropLast()
        }
    }

    private let good: [NovaGate.Header: String] = [.instanceID: id, .signature: signature, .projectID: project]

    @Test func signedRequestIsAdmitted() throws {
        #expect(try status(good) == "admitted web")
    }

    @Test func emptySecretIsAKeyToo() throws {
        #expect(try status(good, secret: "") == "403 Invalid proxy request signature.")
        let signed = good.merging([.signature: Self.emptySecretSignature]) { $1 }
        #expect(try status(signed, secret: "") == "admitted web")
    }

    /// In this order, whatever else is missing.
    @Test(arguments: [
        ([], "X-Instance-ID"), ([NovaGate.Header.signature, .projectID], "X-Instance-ID"),
        ([.instanceID], "X-Instance-ID-Signature"), ([.instanceID, .projectID], "X-Instance-ID-Signature"),
        ([.instanceID, .signature], "X-Tenant-ID"),
    ])
    func missingHeaderIsNamed(present: [NovaGate.Header], missing: String) throws {
        let headers = good.filter { present.contains($0.key) }
        #expect(try status(headers) == "400 \(missing) header is missing from request.")
    }

    @Test(arguments: [
        "", "0", String(signature.dropLast()), signature + "0", signature.uppercased(), emptySecretSignature,
        String(repeating: "0", count: 64), String(repeating: "g", count: 64), "\(signature), \(signature)",
        "c\(String(signature.dropFirst().dropLast()))0",
    ])
    func otherSignaturesAreForbidden(signature: String) throws {
        let headers = good.merging([.signature: signature]) { $1 }
        #expect(try status(headers) == "403 Invalid proxy request signature.")
    }

    @Test func wrongSecretIsForbidden() throws {
        #expect(try status(good, secret: "s3cre") == "403 Invalid proxy request signature.")
    }

    /// The signature is looked at first, so that nobody can find out which instances there are.
    @Test func unknownInstanceIsForbiddenUnlessSigned() throws {
        let other = "00000000-0000-4000-8000-000000000000"
        let headers = good.merging([.instanceID: other]) { $1 }
        #expect(try status(headers) == "403 Invalid proxy request signature.")
        // Of the other id, with Python's hmac.
        let signed = headers.merging([
            .signature: "42fc3c05b745704a6aac27456b3a233c513578842b6a0510fdc21290463150d0"
        ]) { $1 }
        #expect(try status(signed) == "404 The resource could not be found.")
    }

    /// CVE-2013-6419.
    @Test(arguments: ["", "8f1d7e0c5b6a4f3e9d2c1b0a99887767", "8F1D7E0C5B6A4F3E9D2C1B0A99887766"])
    func otherProjectIsNotFound(project: String) throws {
        let headers = good.merging([.projectID: project]) { $1 }
        #expect(try status(headers) == "404 The resource could not be found.")
    }

    @Test func loadBalancerModeIsRefused() throws {
        #expect(try status(good.merging([.provider: "p"]) { $1 }) == "400 X-Metadata-Provider is not supported.")
        #expect(try status([.provider: "p"]) == "400 X-Metadata-Provider is not supported.")
        #expect(try status(good.merging([.provider: ""]) { $1 }) == "admitted web")
    }
}
