import MetadataModel
import Testing

@testable import NovaBackend

@Suite struct InstanceSignerTests {
    private func id(_ text: String) throws -> ResourceID {
        try #require(ResourceID(text))
    }

    @Test func signatureIsNeutrons() throws {
        let signer = InstanceSigner(secret: "stack-shared-secret")
        #expect(
            signer.signature(of: try id("c1e1e46a-3820-4e32-abec-8e941ebe1bfb"))
                == "93df7f0d2452b30fe183ab13d918d32c46bcea7e68eb8912b9ccbec9993752ba"
        )
    }

    /// Expected values from Python's `hmac` and `openssl dgst -hmac`.
    @Test(arguments: [
        ("", "i-1", "11e3461841ce77db85ea9d91d6852c9d8dee46ab91eafd5874493fb0cbf387ba"),
        ("pässwörd", "i-1", "1633ed173fddb8bffb1638360b69dace443f64a58f0bd1b9383ae0526bb98e16"),
    ])
    func everySecretIsLegal(secret: String, instance: String, expected: String) throws {
        #expect(InstanceSigner(secret: secret).signature(of: try id(instance)) == expected)
    }

    @Test func headerBlockHoldsIdProjectAndSignature() throws {
        let instance = Instance(id: try id("i-1"), projectID: try id("p-1"))
        let signer = InstanceSigner(secret: "s")
        let block = String(decoding: signer.headerBlock(for: instance), as: UTF8.self)
        #expect(
            block == "X-Instance-ID: i-1\r\nX-Tenant-ID: p-1\r\nX-Instance-ID-Signature: "
                + signer.signature(of: instance.id) + "\r\n"
        )
    }

    @Test func secretIsNeverPrinted() {
        struct Holder { var signer: InstanceSigner }
        let signer = InstanceSigner(secret: "hunter2")
        var dumped = ""
        dump(Holder(signer: signer), to: &dumped)
        let hex = "68756e74657232"
        for text in ["\(signer)", String(reflecting: signer), dumped, "\(Holder(signer: signer))"] {
            #expect(!text.contains("hunter2"))
            #expect(!text.lowercased().contains(hex))
            #expect(!text.contains("SymmetricKey"))
        }
    }
}
