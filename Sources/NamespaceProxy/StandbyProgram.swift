import Glibc
import ListenerHandover
import Standby

/// The small program that this process becomes while the agent serves its guests.
struct StandbyProgram {
    private let path: String
    private let program: String
    /// What the whole proxy wants to know when it is back.
    private let memo: String

    /// Nil if it is not installed: `standby/` and our own name, beside the program that runs.
    init?(memo: String) {
        guard let program = Self.ownPath, let slash = program.lastIndex(of: "/") else { return nil }
        let path = program[..<slash] + "/standby" + program[slash...]
        guard access(String(path), X_OK) == 0 else { return nil }
        self.program = program
        self.path = String(path)
        self.memo = memo
    }

    private static var ownPath: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Returns only if that is impossible.
    func become(lease: CInt, listeners: [CInt], duty: ProxyDuty) {
        StandbyState(
            program: program,
            agentSocket: duty.agentSocket,
            listeners: listeners,
            lease: lease,
            offer: String(decoding: duty.offer.bytes, as: UTF8.self),
            memo: memo
        ).become(path)
    }
}
