import Inventory
import MetadataModel
import Testing

@testable import NovaMetadata

@Suite struct PasswordTests {
    private let store = InMemoryPasswordStore()

    private func ask(
        _ method: String,
        _ body: MetadataRequest.Body = .absent,
        of text: String = Fixture.bare,
        version: String = "latest"
    ) throws -> (status: Int, body: String, type: String) {
        var random = ConstantRandom()
        let answer = try Fixture.tree(text).answer(
            MetadataRequest(method: method, target: "/openstack/\(version)/password", body: body),
            today: Fixture.today,
            passwords: store,
            random: &random
        )
        return (answer.status, String(decoding: answer.body, as: UTF8.self), answer.contentType)
    }

    @Test func passwordIsPostedOnce() throws {
        #expect(try ask("GET") == (200, "", "text/html; charset=UTF-8"))
        #expect(try ask("POST", .bytes(Array("c2VjcmV0".utf8))) == (200, "", "text/html; charset=UTF-8"))
        #expect(try ask("GET") == (200, "c2VjcmV0", "text/html; charset=UTF-8"))
        #expect(try ask("POST", .bytes(Array("b3RoZXI=".utf8))).status == 409)
        #expect(try ask("POST", .tooLarge).status == 409)
        #expect(try ask("GET", version: "2013-04-04").body == "c2VjcmV0")
    }

    @Test func emptyPasswordCanBeReplaced() throws {
        #expect(try ask("POST", .bytes([])).status == 200)
        #expect(try ask("POST", .bytes([])).status == 200)
        #expect(try ask("POST", .bytes([0x61])).status == 200)
        #expect(try ask("GET").body == "a")
    }

    @Test func sizeIsLimited() throws {
        let longest = [UInt8](repeating: 0x61, count: 1020)
        #expect(try ask("POST", .bytes(longest + [0x61])) == (400, "Request is too large.\n", MetadataAnswer.plain))
        #expect(try ask("POST", .tooLarge) == (400, "Request is too large.\n", MetadataAnswer.plain))
        #expect(try ask("GET").body == "")
        #expect(try ask("POST", .bytes(longest)).status == 200)
        #expect(try ask("GET").body.count == 1020)
    }

    @Test(arguments: ["PUT", "DELETE", "HEAD", "OPTIONS", "get"])
    func otherMethodsAreRefused(method: String) throws {
        #expect(try ask(method) == (400, "GET and POST only are supported.\n", MetadataAnswer.plain))
    }

    @Test func postNeedsALengthAndText() throws {
        #expect(try ask("POST").status == 411)
        #expect(try ask("POST", .bytes([0xFF, 0xFE])).status == 400)
        #expect(try ask("GET").body == "")
    }

    @Test func passwordOfTheInventoryCountsAsPosted() throws {
        let text = "instances: {i: {password: Zm9v}}"
        #expect(try ask("GET", of: text).body == "Zm9v")
        #expect(try ask("POST", .bytes([0x61]), of: text).status == 409)
    }

    @Test func pathExistsOnlyBelowAVersion() throws {
        let tree = try Fixture.tree(Fixture.full)
        for target in ["/openstack/2012-08-10/password", "/openstack/password", "/latest/password", "/password"] {
            #expect(try tree.text(target) == "404")
        }
    }

    @Test func failingStoreIsNotAnAnswer() throws {
        struct Full: PasswordStore {
            func password(of instance: ResourceID) -> String? { nil }
            func store(_: String, for _: ResourceID) throws(PasswordStoreError) -> PasswordStoreOutcome {
                throw PasswordStoreError("disk full")
            }
        }
        var random = ConstantRandom()
        let tree = try Fixture.tree(Fixture.bare)
        #expect(throws: PasswordStoreError.self) {
            try tree.answer(
                MetadataRequest(method: "POST", target: "/openstack/latest/password", body: .bytes([0x61])),
                today: Fixture.today,
                passwords: Full(),
                random: &random
            )
        }
    }
}
