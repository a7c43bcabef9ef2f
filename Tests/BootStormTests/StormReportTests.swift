import MetadataModel
import RelayLoop
import Testing

@testable import BootStorm

@Suite struct TallyTests {
    private func place(_ target: Int, _ address: String?) -> BootTally.Place {
        BootTally.Place(target: target, address: address.flatMap { IPAddress($0) })
    }

    @Test func bootsAreCountedByTheirEnd() {
        var tally = BootTally()
        for _ in 0..<5 { tally.begin() }
        var whole = BootResult()
        whole.requests = 28
        whole.duration = .seconds(2)
        tally.end(whole, at: place(0, nil))
        var partial = whole
        partial.requests = 40
        partial.lost = [.ec2Tree, .userData]
        tally.end(partial, at: place(0, nil))
        var none = BootResult()
        none.noDataSource = .init(target: "/openstack", cause: .status(503))
        none.duration = .seconds(9)
        tally.end(none, at: place(0, nil))
        tally.end(none, at: place(0, nil))
        #expect(tally.begun == 5 && tally.ended == 4 && tally.unfinished == 1)
        #expect(tally.complete == 1)
        #expect(tally.lost == [.ec2Tree: 1, .userData: 1])
        #expect(tally.noDataSource == 2)
        #expect(tally.requestsLeast == 28 && tally.requestsMost == 40)
        #expect(tally.duration.count == 2 && tally.duration.most == 2_000_000)
        #expect(tally.wasted.count == 2 && tally.wasted.least == 9_000_000)
    }

    /// The one mistake that must never happen: a guest is told that it is another one.
    @Test func instanceAtTwoAddressesIsNoticed() {
        var tally = BootTally()
        func end(_ instance: String, _ target: Int, _ address: String) {
            var result = BootResult()
            result.instanceID = instance
            tally.end(result, at: place(target, address))
        }
        end("a", 0, "10.0.0.1")
        end("a", 0, "10.0.0.1")
        end("b", 1, "10.0.0.1")
        #expect(tally.distinctInstances == 2)
        #expect(tally.instancesAtSeveralPlaces == 0)
        end("b", 0, "10.0.0.2")
        end("b", 0, "10.0.0.3")
        #expect(tally.instancesAtSeveralPlaces == 1)
    }

    @Test func requestsAreCountedByStatusAndReason() {
        var tally = RequestTally()
        for _ in 0..<4 { tally.begin() }
        tally.end(.answered(CallAnswer(status: 200)), after: .milliseconds(3))
        tally.end(.answered(CallAnswer(status: 404, isCutShort: true)), after: .milliseconds(5))
        tally.end(.failed(.timedOut), after: .seconds(10))
        #expect(tally.begun == 4 && tally.answered == 2)
        #expect(tally.statuses == [200: 1, 404: 1])
        #expect(tally.failures == [.timedOut: 1])
        #expect(tally.shortBodies == 1)
        // What was not answered has no latency.
        #expect(tally.latency.count == 2 && tally.latency.most == 5_000)
    }
}

@Suite struct ReportTextTests {
    @Test(arguments: [
        (0.0, "0.00"), (0.004, "0.00"), (0.05, "0.05"), (0.42, "0.42"), (0.999, "1.00"), (1.0, "1.0"), (3.14, "3.1"),
        (9.05, "9.1"), (99.94, "99.9"), (100.4, "100"), (12_345.6, "12346"),
    ])
    func numbersHaveAsManyDecimalsAsMeanSomething(_ value: Double, _ expected: String) {
        #expect(StormReport.number(value) == expected)
    }
}
