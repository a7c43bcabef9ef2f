import MetadataModel
import RelayLoop
import Testing

@testable import BootStorm

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("10.0.0.0/24", "10.0.0.1", 254), ("10.0.0.77/24", "10.0.0.1", 254), ("10.0.0.8/30", "10.0.0.9", 2),
        ("10.0.0.8/31", "10.0.0.8", 2), ("10.0.0.8/32", "10.0.0.8", 1), ("10.0.0.8", "10.0.0.8", 1),
        ("10.0.0.5-10.0.1.4", "10.0.0.5", 256), ("10.0.0.5-10.0.0.5", "10.0.0.5", 1),
        ("127.0.0.0/8", "127.0.0.1", AddressRange.countMax - 2), ("0.0.0.0/0", "0.0.0.1", AddressRange.countMax - 2),
        ("fd00::/120", "fd00::1", 255), ("fd00::/64", "fd00::1", AddressRange.countMax - 1),
        ("fd00::5-fd00::14", "fd00::5", 16), ("fd00::1:2:3:4/16", "fd00::1", AddressRange.countMax - 1),
    ])
    func rangesAreRead(_ text: String, _ first: String, _ count: Int) throws {
        let range = try AddressRange(text)
        #expect(range.first == IPAddress(first))
        #expect(range.count == count)
    }

    @Test(arguments: [
        "", "/", "-", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "10.0.0.0/24/1", "fd00::/129", "10.0.0.5-10.0.0.4",
        "10.0.0.1-fd00::1", "10.0.0.1-10.0.0.2-10.0.0.3", "host", "10.0.0.1-",
    ])
    func nonsenseIsRefusedByName(_ text: String) {
        #expect { try AddressRange(text) } throws: { "\($0)".hasPrefix(text + ":") }
    }

    @Test func numbersGoRound() throws {
        let range = try AddressRange("10.0.0.254-10.0.1.1")
        #expect((0..<5).map { "\(range[$0])" } == ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1", "10.0.0.254"])
        #expect("\(try AddressRange("fd00::ffff:ffff:ffff:fff0/120")[3])" == "fd00::ffff:ffff:ffff:ff04")
    }
}

@Suite struct StormTargetTests {
    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:8080", "[::1]:8080"),
        ("[fe80::a9fe:a9fe%eth0]:80", "[fe80::a9fe:a9fe%eth0]:80"),
        // What a mapped address means is plain IPv4, for the guard as well.
        ("[::ffff:169.254.169.254]:80", "169.254.169.254:80"),
    ])
    func addressesAreRead(_ text: String, _ expected: String) throws {
        #expect("\(try StormTarget(text))" == expected)
    }

    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80", "localhost:80", ":80",
        "[::1]", "",
    ])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(throws: StormError.self) { try StormTarget(text) }
    }

    @Test func sourcesMustBeOfTheFamily() {
        #expect(throws: StormError.self) { try StormTarget("127.0.0.1:80", sources: AddressRange("fd00::/120")) }
    }

    @Test func oneOfAKindGoesWithAllOthers() throws {
        func told(_ at: [String], _ namespaces: [String] = [], _ sources: [String] = []) throws -> [String] {
            try StormPlan.targets(at: at, namespaces: namespaces, sources: sources).map {
                "\($0) \($0.sources.map { "\($0.first)" } ?? "any")"
            }
        }
        #expect(try told(["127.0.0.1:1", "127.0.0.1:2"]) == ["127.0.0.1:1 any", "127.0.0.1:2 any"])
        #expect(try told([], ["a", "b"]) == ["169.254.169.254:80 in a any", "169.254.169.254:80 in b any"])
        #expect(try told(["127.0.0.1:1"], ["a", "b"]) == ["127.0.0.1:1 in a any", "127.0.0.1:1 in b any"])
        #expect(try told(["127.0.0.1:1", "127.0.0.1:2"], ["a"]) == ["127.0.0.1:1 in a any", "127.0.0.1:2 in a any"])
        #expect(
            try told(["127.0.0.1:1", "127.0.0.1:2"], ["a", "b"], ["10.0.0.1", "10.0.0.2"])
                == ["127.0.0.1:1 in a 10.0.0.1", "127.0.0.1:2 in b 10.0.0.2"]
        )
        for (at, namespaces, sources) in [
            ([], [], []), (["127.0.0.1:1", "127.0.0.1:2"], ["a", "b", "c"], []),
            (["127.0.0.1:1"], ["a", "b"], ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ] as [([String], [String], [String])] {
            #expect(throws: StormError.self) { try told(at, namespaces, sources) }
        }
    }
}

@Suite struct MetadataGuardTests {
    @Test(arguments: [
        "169.254.169.254:80", "169.254.0.1:80", "[fe80::a9fe:a9fe%eth0]:80", "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:8080", "100.100.100.200:80", "168.63.129.16:80", "[fd20:ce::254]:80",
    ])
    func metadataServicesOfCloudsAreNotAskedFromTheHostsNetwork(_ text: String) throws {
        let target = try StormTarget(text)
        let refusal = MetadataGuard.refusal(of: target, isElsewhere: false, localAddresses: [])
        #expect(refusal?.contains("--namespace") == true)
        #expect(MetadataGuard.refusal(of: target, isElsewhere: true, localAddresses: []) == nil)
        #expect(MetadataGuard.refusal(of: target, isElsewhere: false, localAddresses: [target.address]) == nil)
    }

    @Test(arguments: ["127.0.0.1:80", "10.0.0.1:80", "[fd00::254]:80", "[2001:db8::1]:80", "169.253.169.254:80"])
    func othersAre(_ text: String) throws {
        #expect(MetadataGuard.refusal(of: try StormTarget(text), isElsewhere: false, localAddresses: []) == nil)
    }
}

@Suite struct StormPlanTests {
    private func plan(guests: Int = 10, targets: Int = 1) throws -> StormPlan {
        var plan = StormPlan(targets: try (0..<targets).map { try StormTarget("127.0.0.\($0 % 250 + 1):80") })
        plan.guests = guests
        return plan
    }

    @Test func everythingIsBounded() throws {
        try plan(guests: StormPlan.guestsMax, targets: StormPlan.targetsMax).validated(openFilesMax: 100_000)
        let tooMuch: [(inout StormPlan) -> Void] = [
            { $0.guests = 0 }, { $0.guests = StormPlan.guestsMax + 1 }, { $0.targets = [] },
            { $0.targets += $0.targets }, { $0.hostile = -1 }, { $0.hostile = StormPlan.hostileMax + 1 },
            { $0.abusivePercent = -1 }, { $0.abusivePercent = 101 }, { $0.abusivePercent = .nan },
            { $0.secondsMax = 0 }, { $0.secondsMax = 100_000 }, { $0.secondsMax = .nan },
            { $0.activity = .poll(every: .milliseconds(9)) },
        ]
        for change in tooMuch {
            var changed = try plan(targets: StormPlan.targetsMax)
            change(&changed)
            #expect(throws: StormError.self) { try changed.validated(openFilesMax: 100_000) }
        }
    }

    @Test func openFilesAreCountedBeforehand() throws {
        let plan = try plan(guests: 1_000)
        try plan.validated(openFilesMax: 1_065)
        #expect { try plan.validated(openFilesMax: 1_064) } throws: { "\($0)".contains("ulimit -n") }
    }

    @Test func guestsGoRoundTheTargets() throws {
        let plan = try plan(guests: 5, targets: 2)
        let seats = (0..<5).map { plan.seat(of: $0) }
        #expect(seats.map(\.target) == [0, 1, 0, 1, 0])
        #expect(seats.map(\.source) == [0, 0, 1, 1, 2])
    }

    @Test func oneRangeForAllTargetsIsNumberedThrough() throws {
        var plan = try plan(guests: 5, targets: 2)
        plan.sharesSources = true
        #expect((0..<5).map { plan.seat(of: $0).source } == [0, 1, 2, 3, 4])
    }

    @Test(arguments: [(2_000, 1.0, 20), (10, 25.0, 3), (7, 100.0, 7), (10, 0.0, 0), (3, 0.1, 1), (1, 100.0, 1)])
    func abusiveGuestsAreSpreadEvenly(_ guests: Int, _ percent: Double, _ expected: Int) throws {
        var plan = try plan(guests: guests)
        plan.abusivePercent = percent
        let abusive = (0..<guests).filter { plan.seat(of: $0).isAbusive }
        #expect(abusive.count == expected)
        #expect(plan.abusiveCount == expected)
        for (left, right) in zip(abusive, abusive.dropFirst()) {
            #expect(abs(right - left - guests / expected) <= 1)
        }
        #expect(!plan.seat(of: guests).isAbusive)
    }

    @Test func beginningsAreSpreadEvenly() throws {
        var plan = try plan(guests: 4)
        #expect((0..<4).map { plan.beginning(of: $0).milliseconds } == [0, 0, 0, 0])
        plan.activity = .boot(arrival: .seconds(2))
        #expect((0..<4).map { plan.beginning(of: $0).milliseconds } == [0, 500, 1_000, 1_500])
    }
}
