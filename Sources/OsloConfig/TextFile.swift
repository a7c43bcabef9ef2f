import Glibc

/// Reading whole files and listing directories with plain system calls: the namespace proxy exists once per
/// network and must not carry Foundation.
enum TextFile {
    /// Far above any real file (Neutron's own sample has 0.1 MiB); keeps a mistaken path from filling memory.
    static let bytesMax = 8 * 1024 * 1024

    enum Failure: Error, Equatable {
        case notFound
        case isDirectory
        case tooLarge
        case system(errno: CInt)

        var description: String {
            switch self {
            case .notFound: "not found"
            case .isDirectory: "is a directory"
            case .tooLarge: "is larger than \(TextFile.bytesMax / 1024 / 1024) MiB"
            case .system(let code): String(cString: strerror(code))
            }
        }
    }

    /// The bytes of a file. Pipes and devices work as well (`/dev/null`, a shell's `<(…)`), up to `bytesMax`.
    static func read(_ path: String) throws(Failure) -> [UInt8] {
        // A NUL would end the path early and open another file.
        guard !path.utf8.contains(0) else { throw .notFound }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        let chunkBytes = 64 * 1024
        while true {
            var chunk = [UInt8](repeating: 0, count: chunkBytes)
            let count = Glibc.read(descriptor, &chunk, chunkBytes)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(errno) }
            guard count > 0 else { return contents }
            guard contents.count + count <= bytesMax else { throw .tooLarge }
            contents += chunk.prefix(count)
        }
    }

    /// The `*.conf` entries of a directory as full paths, in byte order; hidden ones are left out.
    static func configFiles(in directory: String) throws(Failure) -> [String] {
        guard !directory.utf8.contains(0), let stream = opendir(directory) else { throw failure(errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw failure(errno) }
                break
            }
            let length = Int(entry.pointee.d_reclen)
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: length) { String(cString: $0) }
            }
            if name.hasSuffix(".conf"), !name.hasPrefix(".") { names.append(name) }
        }
        let prefix = directory.hasSuffix("/") ? directory : directory + "/"
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { prefix + $0 }
    }

    static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    private static func failure(_ code: CInt) -> Failure {
        switch code {
        case ENOENT, ENOTDIR: .notFound
        case EISDIR: .isDirectory
        default: .system(errno: code)
        }
    }
}
