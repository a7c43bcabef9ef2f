import Glibc

/// One configuration file, whole.
struct ConfigFile {
    /// A hundred thousand times what an agent writes; keeps a mistaken path from filling memory.
    static let bytesMax = 4 << 20

    let path: String
    let bytes: [UInt8]

    /// Reads what `-f` names: a file, or the `*.cfg` files of a directory in the order of their names.
    static func load(_ path: String) throws(HaproxyProblem) -> [ConfigFile] {
        var status = stat()
        guard !path.utf8.contains(0), stat(path, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return [try read(path)] }
        var files: [ConfigFile] = []
        for name in try names(in: path) {
            let member = path.hasSuffix("/") ? path + name : path + "/" + name
            guard stat(member, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            files.append(try read(member))
        }
        return files
    }

    private static func read(_ path: String) throws(HaproxyProblem) -> ConfigFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            guard count > 0 else { return ConfigFile(path: path, bytes: bytes) }
            bytes += chunk.prefix(count)
            guard bytes.count <= bytesMax else {
                throw HaproxyProblem(
                    .unreadable,
                    file: path,
                    line: nil,
                    "the file is larger than \(bytesMax >> 20) MiB; it is hardly a configuration."
                )
            }
        }
    }

    private static func names(in directory: String) throws(HaproxyProblem) -> [String] {
        guard let stream = opendir(directory) else { throw unreadable(directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let length = Int(entry.pointee.d_reclen)
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: length) { String(cString: $0) }
            }
            if name.hasSuffix(".cfg"), !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func unreadable(_ path: String) -> HaproxyProblem {
        let reason = path.utf8.contains(0) ? "a NUL in its name" : String(cString: strerror(errno))
        return HaproxyProblem(
            .unreadable,
            file: "",
            line: nil,
            "Cannot open configuration file/directory \(quoted(path)) : \(reason)"
        )
    }
}
