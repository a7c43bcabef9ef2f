import HaproxyConfig
import RelayLoop
import Testing

@testable import NamespaceProxy

@Suite struct HaproxyMemoTests {
    @Test func nothingIsForgottenWhileStandingBy() {
        var memo = HaproxyMemo()
        memo.logs = [
            HaproxyLog(path: "/dev/log", facility: 16, level: 6),
            HaproxyLog(path: "/run/my log", facility: 3, level: 0),
        ]
        memo.logsRequests = false
        memo.omitsSilentConnections = true
        memo.connectTimeout = .milliseconds(30_000)
        #expect(HaproxyMemo(text: memo.text) == memo)
        #expect(HaproxyMemo(text: HaproxyMemo().text) == HaproxyMemo())
    }

    @Test(arguments: ["", "weather fine", "log x y /z", "connect soon", "requests", "log 1"])
    func linesOfAnotherVersionAreSkipped(_ text: String) {
        #expect(HaproxyMemo(text: text) == HaproxyMemo())
    }
}
