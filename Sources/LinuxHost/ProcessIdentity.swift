import Glibc

/// What the kernel tells about another process, as far as deciding needs it whether a pid file is stale.
///
/// Read from /proc directly: going through sudo for it once made starting a proxy slow and dependent on
/// root's configuration (Neutron Havana, LP 1218142).
public struct ProcessIdentity: Sendable {
    /// The first line of the command line, arguments divided by NUL as the kernel gives them.
    public let commandLine: [UInt8]
    /// Dead, but not yet collected by its parent. Such a process still has a pid and must not count as
    /// running (Neutron Pike, LP 1672921).
    public let isZombie: Bool

    /// Command lines are longer than a page only by accident; the ids looked for come early.
    private static let commandLineBytesMax = 65_536
    private static let statusBytesMax = 4_096

    public init(commandLine: [UInt8], isZombie: Bool) {
        self.commandLine = commandLine
        self.isZombie = isZombie
    }

    /// Nil if there is no such process or it cannot be read.
    ///
    /// - Parameter proc: where procfs is mounted; tests have their own.
    public init?(pid: pid_t, proc: String = "/proc") {
        guard pid > 0, let line = SmallFile.read("\(proc)/\(pid)/cmdline", bytesMax: Self.commandLineBytesMax)
        else { return nil }
        commandLine = Array(line.prefix { $0 != UInt8(ascii: "\n") })
        let status = SmallFile.read("\(proc)/\(pid)/stat", bytesMax: Self.statusBytesMax)
        isZombie = status.map(Self.isZombie(status:)) ?? false
    }

    /// True if this is a living daemon started for `identity` under one of `names`.
    public func isDaemon(named names: [String], identity: String) -> Bool {
        guard !isZombie, contains(identity) else { return false }
        return names.contains { contains($0) }
    }

    private func contains(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard !wanted.isEmpty, wanted.count <= commandLine.count else { return false }
        return (0...(commandLine.count - wanted.count)).contains { start in
            commandLine[start..<(start + wanted.count)].elementsEqual(wanted)
        }
    }

    /// The state stands behind the last closing parenthesis: the name before it may hold anything.
    static func isZombie(status: [UInt8]) -> Bool {
        guard let end = status.lastIndex(of: UInt8(ascii: ")")), end + 2 < status.count else { return false }
        return status[end + 2] == UInt8(ascii: "Z") || status[end + 2] == UInt8(ascii: "X")
    }
}
