import InstanceDirectory

/// When the next login may be tried after failed ones, so that wrong credentials do not lock the account.
struct LoginBackoff {
    /// Refused logins wait 1, 2, 4, 8, 16 and from then on 30 seconds.
    static let pausesSeconds: [Int64] = [1, 2, 4, 8, 16, 30]
    /// While Keystone is away no account can be locked, and guests wait for it to come back.
    static let pauseWhileAwaySeconds: Int64 = 1

    /// Refusals since the last token that Neutron accepted.
    private(set) var refusals = 0
    private var last: (error: DirectoryError, until: Duration)?

    mutating func failed(_ error: DirectoryError, now: Duration) {
        let seconds: Int64
        if error.waitingCanHelp {
            seconds = Self.pauseWhileAwaySeconds
        } else {
            refusals += 1
            seconds = Self.pausesSeconds[min(refusals, Self.pausesSeconds.count) - 1]
        }
        last = (error, now + .seconds(seconds))
    }

    /// A login alone does not end the back-off: Neutron must accept the token too.
    mutating func accepted() {
        refusals = 0
        last = nil
    }

    /// Why there must be no login now: the last failure.
    func refusal(now: Duration) -> DirectoryError? {
        guard let last, now < last.until else { return nil }
        return last.error
    }
}
