import FoundationEssentials
import Glibc
import MetadataModel
import NovaMetadata
import Synchronization

/// Keeps guests' passwords over restarts, in a file that only its owner can read: one line per instance,
/// its id and the posted text in base64.
///
/// The whole file is replaced at each post. A guest posts once in its life, so that is rare, and a crash
/// leaves either the old file or the new one.
public final class PasswordFile: PasswordStore {
    private let path: String
    private let passwords: Mutex<[ResourceID: String]>

    /// Reads what is there; a missing file counts as empty.
    public init(path: String) throws(PasswordStoreError) {
        self.path = path
        passwords = Mutex(try Self.read(path))
    }

    public func password(of instance: ResourceID) -> String? {
        passwords.withLock { $0[instance] }
    }

    public func store(
        _ password: String,
        for instance: ResourceID
    ) throws(PasswordStoreError) -> PasswordStoreOutcome {
        try passwords.withLock { passwords throws(PasswordStoreError) in
            guard passwords[instance, default: ""].isEmpty else { return .alreadySet }
            var changed = passwords
            changed[instance] = password
            try write(changed)
            passwords = changed
            return .stored
        }
    }

    private static func read(_ path: String) throws(PasswordStoreError) -> [ResourceID: String] {
        guard access(path, F_OK) == 0 || errno != ENOENT else { return [:] }
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            throw PasswordStoreError("\(path): cannot be read; check its owner and mode")
        }
        var passwords: [ResourceID: String] = [:]
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        for (number, line) in lines.enumerated() {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let id = ResourceID(parts[0]),
                let password = Data(base64Encoded: String(parts[1])).flatMap({ String(validating: $0, as: UTF8.self) })
            else {
                throw PasswordStoreError("\(path):\(number + 1): not an instance id and base64; mend or delete it")
            }
            passwords[id] = password
        }
        return passwords
    }

    private func write(_ passwords: [ResourceID: String]) throws(PasswordStoreError) {
        let text = passwords.map { "\($0) \(Data($1.utf8).base64EncodedString())\n" }.sorted().joined()
        let temporary = "\(path).\(getpid()).new"
        // A leftover of a crash with our process id.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("create", temporary) }
        var isWritten = Self.write(Array(text.utf8), to: descriptor) && fsync(descriptor) == 0
        isWritten = close(descriptor) == 0 && isWritten
        guard isWritten, rename(temporary, path) == 0 else {
            let error = failure("write", path)
            unlink(temporary)
            throw error
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private func failure(_ action: String, _ path: String) -> PasswordStoreError {
        PasswordStoreError("cannot \(action) \(path): \(String(cString: strerror(errno)))")
    }
}
