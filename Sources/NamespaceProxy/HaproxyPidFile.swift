import Glibc
import LinuxHost

/// haproxy's pid file: the number and a line feed, readable for everybody whatever the umask, not locked, and left
/// behind at the end. The agents, which may not be root, read it and remove it.
enum HaproxyPidFile {
    static func write(_ path: String) throws(HostError) {
        // As haproxy does, and for a reason: the directory belongs to the agents' user, who must not be able to make
        // root write through a link.
        var status = stat()
        if lstat(path, &status) == 0, [S_IFREG, S_IFLNK].contains(status.st_mode & S_IFMT) { unlink(path) }
        let descriptor = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failed("open", path, errno) }
        defer { close(descriptor) }
        let content = Array("\(getpid())\n".utf8)
        guard fchmod(descriptor, 0o644) == 0 else { throw failed("set the mode of", path, errno) }
        guard Glibc.write(descriptor, content, content.count) == content.count else {
            throw failed("write", path, errno)
        }
    }

    private static func failed(_ verb: String, _ path: String, _ reason: CInt) -> HostError {
        HostError(
            .pidFileUnusable,
            "Cannot \(verb) the pid file \(path): \(systemReason(reason)). Check its directory.",
            errorNumber: reason
        )
    }
}
