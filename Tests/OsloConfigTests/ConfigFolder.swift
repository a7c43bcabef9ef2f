import Glibc

@testable import OsloConfig

/// A temporary folder with configuration files, and short ways to load them. It is removed at the end.
final class ConfigFolder {
    let path: String

    init() {
        let template = "/tmp/bellhop-config-XXXXXX".utf8CString
        path = template.withUnsafeBufferPointer { source in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: source.count) { buffer in
                _ = buffer.initialize(from: source)
                guard let start = buffer.baseAddress, let made = mkdtemp(start) else { return "/nonexistent" }
                return String(cString: made)
            }
        }
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let stream = opendir(path) {
            var names: [String] = []
            while let entry = readdir(stream) {
                names.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                )
            }
            closedir(stream)
            for name in names where name != "." && name != ".." { remove(path + "/" + name) }
        }
        Glibc.remove(path)
    }

    /// Writes a file, making its folders, and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String) -> String { write(name, bytes: Array(text.utf8)) }

    @discardableResult
    func write(_ name: String, bytes: [UInt8]) -> String {
        let full = path + "/" + name
        var end = path.endIndex
        while let slash = full[full.index(after: end)...].firstIndex(of: "/") {
            mkdir(String(full[..<slash]), 0o755)
            end = slash
        }
        let descriptor = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        return full
    }

    func makeFolder(_ name: String) -> String {
        mkdir(path + "/" + name, 0o755)
        return path + "/" + name
    }

    /// The default search never leaves this folder.
    func loader(
        _ options: [Option],
        environment: [String: String] = [:],
        usesDefaultFiles: Bool = true
    ) -> ConfigurationLoader {
        ConfigurationLoader(
            program: "neutron-test",
            version: "7.1",
            options: options,
            usesDefaultFiles: usesDefaultFiles,
            environment: environment.merging(["HOME": path + "/home"]) { given, _ in given },
            etcDirectory: path + "/etc",
            workingDirectory: path
        )
    }

    /// Loads one file with `text`.
    func load(_ text: String, _ options: [Option], environment: [String: String] = [:]) throws -> Configuration {
        try load(["--config-file", write("test.conf", text)], options, environment: environment)
    }

    func load(
        _ arguments: [String],
        _ options: [Option],
        environment: [String: String] = [:]
    ) throws -> Configuration {
        switch try loader(options, environment: environment).load(arguments: arguments) {
        case .run(let configuration): configuration
        case .exit: throw UnexpectedExit()
        }
    }

    /// The error of a load that must fail.
    func failure(
        _ arguments: [String],
        _ options: [Option],
        environment: [String: String] = [:]
    ) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try loader(options, environment: environment).load(arguments: arguments)
            return nil
        } catch {
            return error
        }
    }

    func failure(_ text: String, _ options: [Option]) -> ConfigurationError? {
        failure(["--config-file", write("test.conf", text)], options)
    }

    struct UnexpectedExit: Error {}
}

extension Option {
    static func text(_ name: String, _ defaultValue: String? = nil, group: String = "DEFAULT") -> Option {
        Option(name, group: group, kind: .string(), defaultValue: defaultValue, help: "A test option.")
    }

    static func argument(_ name: String, _ kind: Kind, _ defaultValue: String? = nil, short: Character? = nil) -> Option
    {
        Option(
            name,
            kind: kind,
            defaultValue: defaultValue,
            help: "A test option.",
            commandLine: CommandLine([name], short: short)
        )
    }
}
