import CLinuxHost
import Glibc

/// The pid file of a daemon, locked for as long as the daemon lives.
///
/// The lock is an flock on the open file, so the children of a fork share it and the kernel gives it up when
/// the last of them is gone, however that happened. It is tried once and never waited for: Neutron's first
/// daemons waited, and one stuck process then blocked all later starts (Juno, LP 1315507).
public final class PidFile: Sendable {
    public let path: String
    private let descriptor: CInt

    /// A pid file holds one number; more is not read.
    private static let contentBytesMax = 128
    /// How often a file that is removed between opening and locking it is opened again.
    private static let openAttemptsMax = 8

    /// Opens or creates the file and locks it.
    ///
    /// The file is made with mode 0644 under the umask: agents of other users read it.
    ///
    /// - Throws: `pidFileLocked` if another process has it, `pidFileUnusable` for everything else.
    public init(path: String) throws(HostError) {
        for _ in 0..<Self.openAttemptsMax {
            let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw Self.unusable("open", path, errno) }
            guard clinuxhost_lock(descriptor) == 0 else {
                let reason = errno
                close(descriptor)
                guard reason == EWOULDBLOCK else { throw Self.unusable("lock", path, reason) }
                throw HostError(
                    .pidFileLocked,
                    "Pidfile \(path) already exist. Daemon already running? Another process holds its lock.",
                    errorNumber: reason
                )
            }
            // A daemon that ended just now may have removed the file we opened; its lock then guards nothing.
            if Self.isSameFile(descriptor, path) {
                self.path = path
                self.descriptor = descriptor
                return
            }
            close(descriptor)
        }
        throw Self.unusable("open", path, EAGAIN)
    }

    deinit { close(descriptor) }

    private static func unusable(_ verb: String, _ path: String, _ reason: CInt) -> HostError {
        HostError(
            .pidFileUnusable,
            "Cannot \(verb) the pid file \(path): \(systemReason(reason)). Check the directory given with --pid_file.",
            errorNumber: reason
        )
    }

    /// The number in the file, or nil if it holds none.
    public var recordedPid: pid_t? {
        SmallFile.read(descriptor, bytesMax: Self.contentBytesMax).flatMap { Self.pid(in: $0) }
    }

    /// One positive decimal number with blanks around it; everything else names no process.
    static func pid(in content: [UInt8]) -> pid_t? {
        let blanks: [UInt8] = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D]
        let digits = content.drop { blanks.contains($0) }.prefix { !blanks.contains($0) }
        let rest = content.suffix(from: digits.endIndex)
        guard rest.allSatisfy(blanks.contains), let pid = pid_t(String(decoding: digits, as: UTF8.self)), pid > 0
        else { return nil }
        return pid
    }

    /// The pid of a living daemon that this file belongs to, or nil if the file is stale.
    ///
    /// The name alone is not enough: after a reboot the number may belong to the proxy of another network
    /// (Neutron Havana, LP 1177416). Our own pid never counts: in a container a restarted program often
    /// gets the number it had before.
    ///
    /// - Parameters:
    ///   - names: what the command line must contain one of.
    ///   - identity: what it must contain as well: the id of the network or router.
    public func runningDaemon(names: [String], identity: String) -> pid_t? {
        guard let pid = recordedPid, pid != getpid(),
            let process = ProcessIdentity(pid: pid),
            process.isDaemon(named: names, identity: identity)
        else { return nil }
        return pid
    }

    /// Writes the pid, decimal and without a newline, and waits until it is on the disk.
    public func write(pid: pid_t = getpid()) throws(HostError) {
        let digits = Array(String(pid).utf8)
        guard ftruncate(descriptor, 0) == 0 else { throw Self.unusable("empty", path, errno) }
        let count = pwrite(descriptor, digits, digits.count, 0)
        guard count == digits.count else { throw Self.unusable("write", path, count < 0 ? errno : ENOSPC) }
        // EINVAL: a file system without fsync. The content is right all the same.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw Self.unusable("write", path, errno) }
    }

    /// Removes the file if it is still ours: the same file, holding our pid. A successor's file stays.
    ///
    /// - Returns: whether it was removed. After dropping privileges it usually cannot be, which is expected:
    ///   the agents remove it themselves.
    @discardableResult
    public func removeIfOurs(pid: pid_t = getpid()) -> Bool {
        guard recordedPid == pid, Self.isSameFile(descriptor, path) else { return false }
        return unlink(path) == 0
    }

    private static func isSameFile(_ descriptor: CInt, _ path: String) -> Bool {
        var opened = stat()
        var named = stat()
        guard fstat(descriptor, &opened) == 0, stat(path, &named) == 0 else { return false }
        return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino
    }
}
