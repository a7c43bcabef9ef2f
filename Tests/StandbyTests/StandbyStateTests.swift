import Glibc
import Testing

@testable import Standby

@Suite struct StandbyStateTests {
    private let state = StandbyState(
        program: "/usr/lib/bellhop/a dir/haproxy",
        agentSocket: "/var/lib/neutron/metadata proxy",
        listeners: [5, 6],
        lease: 7,
        offer: "bellhop-listeners 1\nnetwork n\n",
        memo: "log 16 6 /dev/log"
    )

    private func read(_ text: String) -> StandbyState? {
        StandbyState(text: text, offer: state.offer, memo: state.memo)
    }

    @Test func whatOneProgramLeavesTheOtherFinds() throws {
        #expect(read(try #require(state.text)) == state)
        var back = state
        back.lease = nil
        #expect(read(try #require(back.text)) == back)
    }

    /// The proxy outlives an upgrade: the next program may be newer, or older.
    @Test func linesOfAnotherVersionAreSkipped() throws {
        let text = try #require(state.text)
        #expect(read(text + "\nweather fine today\nempty\n") == state)
    }

    @Test(arguments: [
        "", "bellhop-standby 2\nprogram /p\nagent /a\nlisteners 5", "program /p\nagent /a\nlisteners 5",
        "bellhop-standby 1", "bellhop-standby 1\nagent /a\nlisteners 5", "bellhop-standby 1\nprogram /p\nlisteners 5",
        "bellhop-standby 1\nprogram /p\nagent /a", "bellhop-standby 1\nprogram /p\nagent /a\nlisteners ",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners 5 x",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners 2",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners -1",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners 5\nlease 1",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners 5\nlease x",
        "bellhop-standby 1\nprogram /p\nagent /a\nlisteners 99999999999",
    ])
    func anythingElseIsNoState(_ text: String) {
        #expect(read(text) == nil)
    }

    /// A path with a line feed could say something else in the next line.
    @Test func pathsWithLineFeedsAreNotHandedOn() {
        var odd = state
        odd.program = "/usr/lib/x\nlisteners 9"
        #expect(odd.text == nil)
        odd = state
        odd.agentSocket = "/run/a\n"
        #expect(odd.text == nil)
    }

    @Test func descriptorsAreInheritedOnlyOnPurpose() throws {
        var pair: [CInt] = [-1, -1]
        try #require(pipe(&pair) == 0)
        defer { for end in pair { close(end) } }
        let held = StandbyState(
            program: "/nonexistent/program",
            agentSocket: "/a",
            listeners: [pair[0]],
            lease: pair[1],
            offer: ""
        )
        // Impossible, and everything is as before.
        held.become(held.program)
        #expect(errno == ENOENT)
        for end in pair { #expect(fcntl(end, F_GETFD) == FD_CLOEXEC) }
        for name in [StandbyState.stateVariable, StandbyState.offerVariable, StandbyState.memoVariable] {
            #expect(getenv(name) == nil)
        }
    }
}
