import Glibc
import HaproxyConfig
import LinuxHost

/// `user` and `group` of the configuration, looked up before anything is done and taken on when the listeners are open.
struct HaproxyAccounts {
    private let user: String?
    private let group: String?

    /// - Throws: `unknownAccount`.
    init(_ plan: HaproxyPlan) throws(HostError) {
        let user = try plan.user.map(Account.userID)
        let group = try plan.group.map(Account.groupID)
        // Who is that user already has nothing to give up, and needs no root for it.
        let isSatisfied = (user ?? geteuid()) == geteuid() && (group ?? getegid()) == getegid()
        self.user = isSatisfied ? nil : user.map { "\($0)" }
        self.group = isSatisfied ? nil : group.map { "\($0)" }
    }

    func take() throws(HostError) {
        try Privileges.drop(user: user, group: group)
    }
}
