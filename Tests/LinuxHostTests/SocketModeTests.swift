import Glibc
import LinuxHost
import Testing

@Suite struct SocketModeTests {
    let neutron = SocketMode.Identity(userID: 130, groupID: 140, userName: "neutron", groupName: "neutron-group")

    @Test(
        arguments: [
            ("", "", 0o644), ("", "nogroup", 0o644), ("0", "nogroup", 0o644), ("root", "nogroup", 0o644),
            ("130", "nogroup", 0o644), ("neutron", "nogroup", 0o644), ("neutron", "", 0o644),
            ("nobody", "", 0o664), ("nobody", "140", 0o664), ("nobody", "neutron-group", 0o664),
            ("65534", "", 0o664), ("nobody", "nogroup", 0o666), ("nobody", "130", 0o666), ("nobody", "0", 0o666),
            ("0130", "nogroup", 0o666), ("nobody", "root", 0o666),
        ] as [(String, String, mode_t)]
    )
    func deducedFromTheProxysAccount(_ user: String, _ group: String, _ mode: mode_t) {
        #expect(SocketMode.deduce.permissions(proxyUser: user, proxyGroup: group, identity: neutron) == mode)
    }

    @Test(arguments: [(SocketMode.user, 0o644), (.group, 0o664), (.all, 0o666)] as [(SocketMode, mode_t)])
    func saidByName(_ mode: SocketMode, _ permissions: mode_t) {
        #expect(mode.permissions(proxyUser: "nobody", proxyGroup: "nogroup", identity: neutron) == permissions)
        #expect(mode.permissions(proxyUser: "", proxyGroup: "", identity: neutron) == permissions)
    }

    @Test func anAccountWithoutNameMatchesByNumberOnly() {
        let container = SocketMode.Identity(userID: 4711, groupID: 4712, userName: nil, groupName: nil)
        #expect(SocketMode.deduce.permissions(proxyUser: "4711", proxyGroup: "x", identity: container) == 0o644)
        #expect(SocketMode.deduce.permissions(proxyUser: "x", proxyGroup: "4712", identity: container) == 0o664)
        #expect(SocketMode.deduce.permissions(proxyUser: "x", proxyGroup: "x", identity: container) == 0o666)
    }

    @Test func optionWordsAreTheOriginals() {
        #expect(SocketMode.allCases.map(\.rawValue) == ["deduce", "user", "group", "all"])
        #expect(SocketMode(rawValue: "Deduce") == nil)
    }
}
