import Glibc

/// Giving up root, once everything that needs it (the port, the log file, the pid file) is open.
public enum Privileges {
    /// Becomes the given user and group for good, in all threads (Neutron Kilo, LP 1187107).
    ///
    /// Nil or empty means "not asked for"; nothing happens if both are. A group is taken on after all
    /// supplementary groups are given up; the id 0 is skipped silently, as in the original.
    ///
    /// - Parameters:
    ///   - user: a name or a number.
    ///   - group: a name or a number.
    /// - Throws: `notRoot`, `unknownAccount`, or `privilegesKept`. The process must not go on then: it may
    ///   hold more rights than the operator wanted.
    public static func drop(user: String?, group: String?) throws(HostError) {
        let user = user.flatMap { $0.isEmpty ? nil : $0 }
        let group = group.flatMap { $0.isEmpty ? nil : $0 }
        guard user != nil || group != nil else { return }
        guard geteuid() == 0 else {
            throw HostError(.notRoot, "Root permissions are required to drop privileges.", errorNumber: EPERM)
        }
        // Both names first: a typing error in one must not leave us between two identities.
        let groupID: gid_t? = if let group { try Account.groupID(group) } else { nil }
        let userID: uid_t? = if let user { try Account.userID(user) } else { nil }

        if let groupID {
            guard setgroups(0, nil) == 0 else { throw kept("give up supplementary groups", errno) }
            if groupID != 0 {
                guard setgid(groupID) == 0 else { throw kept("become group \(groupID)", errno) }
            }
        }
        if let userID, userID != 0 {
            guard setuid(userID) == 0 else { throw kept("become user \(userID)", errno) }
            guard getuid() == userID, geteuid() == userID, setuid(0) != 0 else {
                throw kept("stay user \(userID)", EPERM)
            }
        }
    }

    private static func kept(_ verb: String, _ reason: CInt) -> HostError {
        HostError(
            .privilegesKept,
            "Failed to drop privileges: cannot \(verb): \(systemReason(reason)).",
            errorNumber: reason
        )
    }
}
