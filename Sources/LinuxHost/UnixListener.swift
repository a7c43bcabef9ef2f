import CLinuxHost
import Glibc

/// A listening UNIX-domain socket with a name in the file system.
///
/// The socket is bound under a temporary name, given its rights, made to listen and only then renamed to its
/// path. So nobody ever finds it with wider rights than the final ones, nobody finds one that does not
/// listen, and what a dead predecessor left behind is replaced in one step.
public struct UnixListener: Sendable {
    /// Non-blocking and close-on-exec; the caller closes it.
    public let descriptor: CInt
    public let path: String
    private let device: dev_t
    private let inode: ino_t

    public enum Kind: Sendable {
        case stream
        /// Messages with their bounds kept, and descriptors in them (SOCK_SEQPACKET).
        case packets
    }

    /// The longest path the kernel takes, without the closing NUL.
    public static let pathBytesMax = 107

    /// Opens the socket. Its directory is made if it is missing, with mode 0755 under the umask.
    ///
    /// As in the original nobody asks whether another agent is listening at the path: the newer one wins.
    ///
    /// - Parameters:
    ///   - permissions: the file mode; see `SocketMode`.
    ///   - kind: what connections carry.
    /// - Throws: `badListenAddress` if the path is too long or empty, else `listenRefused`.
    public static func open(
        path: String,
        permissions: mode_t,
        backlog: CInt,
        kind: Kind = .stream
    ) throws(HostError) -> UnixListener {
        let temporary = temporaryPath(for: path)
        guard !path.isEmpty, path.utf8.count <= pathBytesMax, temporary.utf8.count <= pathBytesMax,
            !path.utf8.contains(0)
        else {
            throw HostError(
                .badListenAddress,
                "The socket path \(path.debugDescription) cannot be used: it must have 1 to \(pathBytesMax) bytes."
                    + " Choose a shorter metadata_proxy_socket.",
                errorNumber: ENAMETOOLONG
            )
        }
        if let directory = directory(of: path) { try makeDirectories(directory, for: path) }

        let descriptor = clinuxhost_socket(
            AF_UNIX,
            CInt((kind == .stream ? SOCK_STREAM : SOCK_SEQPACKET).rawValue)
        )
        guard descriptor >= 0 else { throw refused(path, "socket", errno) }
        do throws(HostError) {
            // Only a process with our pid can have left it, and that is dead.
            unlink(temporary)
            guard bindUnix(descriptor, temporary) == 0 else { throw refused(path, "bind", errno) }
            var status = stat()
            guard chmod(temporary, permissions) == 0, lstat(temporary, &status) == 0 else {
                throw refused(path, "chmod", errno)
            }
            guard listen(descriptor, backlog) == 0 else { throw refused(path, "listen", errno) }
            guard rename(temporary, path) == 0 else { throw refused(path, "rename", errno) }
            return UnixListener(descriptor: descriptor, path: path, device: status.st_dev, inode: status.st_ino)
        } catch {
            unlink(temporary)
            close(descriptor)
            throw error
        }
    }

    /// Removes the path if it still names this socket; a successor may have put its own there.
    ///
    /// - Returns: whether it was removed.
    @discardableResult
    public func unlinkIfOurs() -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return false }
        return unlink(path) == 0
    }

    /// Beside the path, since a rename cannot cross file systems. The name keeps the path in front if it
    /// fits, because `ss -xl` goes on showing the name that was bound.
    private static func temporaryPath(for path: String) -> String {
        let recognisable = "\(path).\(getpid())"
        if recognisable.utf8.count <= pathBytesMax { return recognisable }
        let short = "." + String(getpid(), radix: 36)
        return directory(of: path).map { $0 == "/" ? "/\(short)" : "\($0)/\(short)" } ?? short
    }

    /// Everything before the last slash; nil for a name in the current directory.
    static func directory(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func makeDirectories(_ directory: String, for path: String) throws(HostError) {
        var status = stat()
        if stat(directory, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else { throw refused(path, "mkdir", ENOTDIR) }
            return
        }
        if let parent = Self.directory(of: directory), parent != directory {
            try makeDirectories(parent, for: path)
        }
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else { throw refused(path, "mkdir", errno) }
    }

    private static func refused(_ step: String, _ call: String, _ reason: CInt) -> HostError {
        HostError(
            .listenRefused,
            "Unable to listen on the socket \(step): \(call): \(systemReason(reason))."
                + " Check the owner and mode of its directory.",
            errorNumber: reason
        )
    }
}

/// Binds a descriptor to a path that is known to fit.
private func bindUnix(_ descriptor: CInt, _ path: String) -> CInt {
    withUnixAddress(Array(path.utf8)) { bind(descriptor, $0, $1) } ?? -1
}
