import CLinuxHost

/// How many files and sockets the process may have open.
public enum FileLimits {
    /// Raises the soft limit to the hard one: systemd's default soft limit of 1024 is kept low for programs
    /// that use select(2), and one guest's request takes two descriptors.
    ///
    /// - Returns: the limit now in force; nil if not even that can be found out.
    @discardableResult
    public static func raise() -> UInt64? {
        var limit: UInt64 = 0
        _ = clinuxhost_raise_file_limit(&limit)
        return limit > 0 ? limit : nil
    }
}
