import Glibc
import LinuxHost

/// A new directory that only this user can enter, for the socket between the agent's steps and the embedded Nova.
struct PrivateDirectory {
    let path: String

    /// - Throws: `HostError` if `$TMPDIR` (or `/tmp`) cannot be written to.
    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/bellhop-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            let reason = errno
            throw HostError(
                .listenRefused,
                "Cannot make a directory in \(parent): \(systemReason(reason)). Set TMPDIR to one that can be written to.",
                errorNumber: reason
            )
        }
        path = template.withUnsafeBufferPointer {
            String(decoding: $0.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    func remove() {
        unlink(path + "/nova")
        rmdir(path)
    }
}
