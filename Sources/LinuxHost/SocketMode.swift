import Glibc

/// Who may connect to the agent's UNIX socket (`metadata_proxy_socket_mode`, Neutron Kilo).
///
/// Connecting needs the right to write. The original ignored this option from 2025.1 on and left the rights
/// to the umask, which locks out a proxy that runs as another user; here it always counts.
public enum SocketMode: String, CaseIterable, Sendable {
    /// From the account the namespace proxies will run as.
    case deduce
    /// The agent's own user and root.
    case user
    /// The agent's group as well.
    case group
    /// Everybody on the host.
    case all

    /// The account this process runs as.
    public struct Identity: Hashable, Sendable {
        public var userID: uid_t
        public var groupID: gid_t
        public var userName: String?
        public var groupName: String?

        public init(userID: uid_t, groupID: gid_t, userName: String?, groupName: String?) {
            self.userID = userID
            self.groupID = groupID
            self.userName = userName
            self.groupName = groupName
        }

        /// The effective user and group.
        public static var current: Identity {
            Identity(
                userID: geteuid(),
                groupID: getegid(),
                userName: Account.userName(geteuid()),
                groupName: Account.groupName(getegid())
            )
        }
    }

    /// The file mode of the socket.
    ///
    /// - Parameters:
    ///   - proxyUser: `metadata_proxy_user`, a name or number as written; empty if not set.
    ///   - proxyGroup: `metadata_proxy_group`. Asked for only if the user is not ours.
    ///   - identity: who we are. Names and numbers are compared as texts, as the original does.
    public func permissions(proxyUser: String, proxyGroup: String, identity: Identity) -> mode_t {
        switch self {
        case .user: 0o644
        case .group: 0o664
        case .all: 0o666
        case .deduce:
            if ["", "0", "root", String(identity.userID)].contains(proxyUser) || proxyUser == identity.userName {
                Self.user.permissions(proxyUser: proxyUser, proxyGroup: proxyGroup, identity: identity)
            } else if ["", String(identity.groupID)].contains(proxyGroup) || proxyGroup == identity.groupName {
                Self.group.permissions(proxyUser: proxyUser, proxyGroup: proxyGroup, identity: identity)
            } else {
                Self.all.permissions(proxyUser: proxyUser, proxyGroup: proxyGroup, identity: identity)
            }
        }
    }
}
