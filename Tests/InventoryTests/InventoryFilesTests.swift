import FoundationEssentials
import MetadataModel
import Testing

@testable import Inventory

/// Files on disk: the example, and what an inventory refers to.
@Suite struct InventoryFilesTests {
    /// A directory that vanishes with the test.
    private final class Scratch {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.path + "/bellhop-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        }

        func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }
    }

    @Test func exampleIsAccepted() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let lab = try InventoryFile.load(path: "/\(root)/examples/lab.yaml")
        #expect(lab.instances.map(\.name) == ["web", "Database 1"])
        #expect(lab.instances[0].ports[0].fixedIPs == [IPAddress("127.0.0.1")])
        #expect(lab.instances[1].ports[0].fixedIPs == [IPAddress("127.0.0.2")])
        #expect(lab.listeners[0].port == 8169)
        #expect(lab.listeners[0].scope == .network(lab.networks[0].id))
    }

    @Test func namedFilesAreReadBesideTheInventory() throws {
        let scratch = try Scratch()
        let gzip: [UInt8] = [0x1F, 0x8B, 0x08, 0x00, 0xFF, 0xC3, 0x28, 0x0D, 0x0A]
        try scratch.write("user.gz", gzip)
        try scratch.write("vendor.json", #"{"b": "\u00e9\/x", "a": [1, 2.0, null]}"#)
        try scratch.write("motd", "hello\n")
        try scratch.write(
            "lab.yaml",
            """
            vendor_data: {static_file: vendor.json}
            instances:
              i:
                user_data_file: user.gz
                files: [{path: /etc/motd, content_file: \(scratch.path)/motd}]
            """
        )
        let lab = try InventoryFile.load(path: "\(scratch.path)/lab.yaml")
        #expect(lab.instances[0].userData == gzip)
        #expect(lab.instances[0].files == [.init(path: "/etc/motd", content: Array("hello\n".utf8))])
        #expect(
            lab.instances[0].vendorData.staticObject == [
                "b": "é/x", "a": .array([.integer(1), .number(2), .null]),
            ]
        )
    }

    @Test func missingAndBrokenFilesAreNamed() throws {
        let scratch = try Scratch()
        try scratch.write("vendor.json", "{\n\"a\": [1,\n}")
        try scratch.write(
            "lab.yaml",
            "vendor_data: {static_file: vendor.json}\ninstances: {i: {user_data_file: gone}}\n"
        )
        let error = #expect(throws: InventoryError.self) {
            _ = try InventoryFile.load(path: "\(scratch.path)/lab.yaml")
        }
        let lines = try #require(error?.problems.map(\.description))
        #expect(
            lines.first == "\(scratch.path)/lab.yaml:2: instances[i].user_data_file: "
                + "\(scratch.path)/gone cannot be read: No such file or directory"
        )
        #expect(lines.last?.hasPrefix("vendor.json:3: not YAML: ") == true)
    }

    @Test func unreadableInventoriesAreRefused() throws {
        let scratch = try Scratch()
        try scratch.write("latin1.yaml", [0x61, 0xE9])
        try scratch.write("large.yaml", [UInt8](repeating: 0x23, count: BoundedFile.bytesMax + 1))
        for (name, code, text) in [
            ("gone.yaml", InventoryError.Code.unreadable, "cannot be read: No such file or directory"),
            ("", .unreadable, "cannot be read: Is a directory"),
            ("latin1.yaml", .notYAML, "is not UTF-8 text"),
            ("large.yaml", .unreadable, "is larger than 16 MiB"),
        ] {
            let path = "\(scratch.path)/\(name)"
            let error = #expect(throws: InventoryError.self) { _ = try InventoryFile.load(path: path) }
            #expect(error?.code == code)
            #expect(error?.description == "\(path): \(text)")
        }
    }

    @Test func fileOfSixteenMebibytesIsStillRead() throws {
        let scratch = try Scratch()
        try scratch.write("f", [UInt8](repeating: 0x23, count: BoundedFile.bytesMax))
        #expect(try BoundedFile.read("\(scratch.path)/f").count == 16 << 20)
    }
}
