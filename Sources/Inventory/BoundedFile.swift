import Glibc

/// Reads a file that a person named, whole and only up to a limit.
enum BoundedFile {
    /// 16 MiB: an inventory of tens of thousands of instances; one guest's user data is far below.
    static let bytesMax = 16 << 20

    struct Failure: Error {
        /// What to tell: `cannot be read: No such file or directory`.
        let message: String
    }

    static func read(_ path: String) throws(Failure) -> [UInt8] {
        // O_NONBLOCK: a named pipe must not stop a reload for ever; it reads as empty.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else {
                throw Failure(message: "is larger than \(bytesMax >> 20) MiB")
            }
        }
    }

    private static func failure() -> Failure {
        Failure(message: "cannot be read: \(String(cString: strerror(errno)))")
    }
}
