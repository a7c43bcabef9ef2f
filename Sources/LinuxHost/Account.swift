import Glibc

/// Users and groups, named or numbered, as options like `metadata_proxy_user` give them.
public enum Account {
    /// The number of a user: the text itself if it is a number, as Neutron reads it, else looked up.
    public static func userID(_ text: String) throws(HostError) -> uid_t {
        if let id = number(text) { return id }
        guard let id = lookUpUser(text) else { throw unknown("user", text) }
        return id
    }

    /// The number of a group; see `userID(_:)`.
    public static func groupID(_ text: String) throws(HostError) -> gid_t {
        if let id = number(text) { return id }
        guard let id = lookUpGroup(text) else { throw unknown("group", text) }
        return id
    }

    /// The name of a user, or nil if the number has none (usual in containers).
    public static func userName(_ id: uid_t) -> String? {
        var record = passwd()
        return withLookUpBuffer { start, size, result in
            getpwuid_r(id, &record, start, size, &result)
        } found: {
            record.pw_name.map { String(cString: $0) }
        }
    }

    /// The name of a group, or nil if the number has none.
    public static func groupName(_ id: gid_t) -> String? {
        var record = group()
        return withLookUpBuffer { start, size, result in
            getgrgid_r(id, &record, start, size, &result)
        } found: {
            record.gr_name.map { String(cString: $0) }
        }
    }

    /// A plain decimal number. The largest one is left out: to the kernel it means "leave as it is".
    private static func number(_ text: String) -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let id = UInt32(text),
            id != .max
        else { return nil }
        return id
    }

    private static func lookUpUser(_ name: String) -> uid_t? {
        var record = passwd()
        return withLookUpBuffer { start, size, result in
            getpwnam_r(name, &record, start, size, &result)
        } found: {
            record.pw_uid
        }
    }

    private static func lookUpGroup(_ name: String) -> gid_t? {
        var record = group()
        return withLookUpBuffer { start, size, result in
            getgrnam_r(name, &record, start, size, &result)
        } found: {
            record.gr_gid
        }
    }

    private static func unknown(_ kind: String, _ text: String) -> HostError {
        HostError(
            .unknownAccount,
            "The \(kind) \(text.debugDescription) does not exist on this host; create it or give its number."
        )
    }

    /// Groups of a directory service can have thousands of members, and the record holds all their names.
    private static let bufferBytesMax = 1 << 20

    /// Calls one of the `get…_r` functions with a buffer that grows until the record fits, and reads the
    /// record while the buffer that its texts live in still exists.
    private static func withLookUpBuffer<Record, Value>(
        _ call: (UnsafeMutablePointer<CChar>, Int, inout UnsafeMutablePointer<Record>?) -> CInt,
        found: () -> Value?
    ) -> Value? {
        var size = 4_096
        while size <= bufferBytesMax {
            let (value, isTooSmall): (Value?, Bool) = withUnsafeTemporaryAllocation(
                of: CChar.self,
                capacity: size
            ) { buffer in
                guard let start = buffer.baseAddress else { return (nil, false) }
                var result: UnsafeMutablePointer<Record>?
                let code = call(start, buffer.count, &result)
                return (code == 0 && result != nil ? found() : nil, code == ERANGE)
            }
            guard isTooSmall else { return value }
            size *= 4
        }
        return nil
    }
}
