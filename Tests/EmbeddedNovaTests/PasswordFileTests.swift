import FoundationEssentials
import Glibc
import MetadataModel
import NovaMetadata
import Testing

@testable import EmbeddedNova

@Suite struct PasswordFileTests {
    private let path = FileManager.default.temporaryDirectory.path + "/bellhop-\(UUID().uuidString).passwords"
    private let one = ResourceID(high: 1, low: 1)
    private let two = ResourceID(high: 2, low: 2)

    @Test func passwordsSurviveARestart() throws {
        defer { unlink(path) }
        let file = try PasswordFile(path: path)
        #expect(file.password(of: one) == nil)
        #expect(try file.store("c2Vj\nø", for: one) == .stored)
        #expect(try file.store("", for: two) == .stored)
        #expect(try file.store("other", for: one) == .alreadySet)

        let again = try PasswordFile(path: path)
        #expect(again.password(of: one) == "c2Vj\nø")
        #expect(again.password(of: two) == "")
        #expect(try again.store("x", for: one) == .alreadySet)
        #expect(try again.store("x", for: two) == .stored)
    }

    @Test func onlyTheOwnerCanReadIt() throws {
        defer { unlink(path) }
        _ = try PasswordFile(path: path).store("x", for: one)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func brokenFileIsRefusedWithItsLine() throws {
        defer { unlink(path) }
        try Data("\(one) eA==\nnonsense\n".utf8).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: PasswordStoreError.self) { _ = try PasswordFile(path: path) }
        #expect(error?.description == "\(path):2: not an instance id and base64; mend or delete it")
    }

    @Test func whatCannotBeWrittenIsNotKept() throws {
        let file = try PasswordFile(path: path + "/no/such/directory")
        #expect(throws: PasswordStoreError.self) { try file.store("x", for: one) }
        #expect(file.password(of: one) == nil)
    }
}
