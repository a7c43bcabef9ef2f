import RelayLoop

@testable import BootStorm

/// A metadata service as a table: what each target is answered.
struct ScriptedService {
    indirect enum Answer {
        case text(String)
        case status(Int, retryAfter: String? = nil)
        case failure(CallFailure)
        /// Whole as far as the connection goes, shorter than announced.
        case cut(String)
        /// One after the other; the last is repeated.
        case sequence([Answer])
    }

    /// For targets that are not in the table.
    var other = Answer.status(404)
    private var answers: [String: Answer]

    /// What Nova says of an instance with one key and user data.
    init(version: String = "2018-08-27") {
        answers = [
            "/openstack": .text("2012-08-10\n2018-08-27\n2020-10-14\nlatest"),
            "/openstack/\(version)/meta_data.json": .text(
                #"{"uuid": "f2b1c0de-0000-4000-8000-000000000010", "files": [], "meta": {}}"#
            ),
            "/openstack/\(version)/user_data": .text("#cloud-config\n"),
            "/openstack/\(version)/vendor_data.json": .text("{}"),
            "/openstack/\(version)/vendor_data2.json": .text("{}"),
            "/openstack/\(version)/network_data.json": .text(#"{"links": [], "networks": [], "services": []}"#),
        ]
        let leaves = [
            "ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-action", "instance-id",
            "instance-type", "local-hostname", "local-ipv4", "public-hostname", "public-ipv4", "reservation-id",
            "security-groups",
        ]
        let root = "/latest/meta-data/"
        var listing = leaves
        listing.insert("block-device-mapping/", at: 3)
        listing.insert("placement/", at: 10)
        listing.insert("public-keys/", at: 13)
        answers[root] = .text(listing.joined(separator: "\n"))
        for leaf in leaves { answers[root + leaf] = .text("some \(leaf)") }
        answers[root + "block-device-mapping/"] = .text("ami\nroot")
        answers[root + "block-device-mapping/ami"] = .text("vda")
        answers[root + "block-device-mapping/root"] = .text("/dev/vda")
        answers[root + "placement/"] = .text("availability-zone")
        answers[root + "placement/availability-zone"] = .text("nova")
        answers[root + "public-keys/"] = .text("0=alice")
        answers[root + "public-keys/0/openssh-key"] = .text("ssh-ed25519 AAAA alice")
    }

    subscript(target: String) -> Answer? {
        get { answers[target] }
        set { answers[target] = newValue }
    }

    mutating func answer(_ target: String) -> CallOutcome {
        var answer = answers[target] ?? other
        if case .sequence(var rest) = answer {
            let first = rest.removeFirst()
            if !rest.isEmpty { answers[target] = .sequence(rest) }
            answer = first
        }
        return switch answer {
        case .text(let text): .answered(CallAnswer(status: 200, body: Array(text.utf8)))
        case .status(let status, let retryAfter): .answered(CallAnswer(status: status, retryAfter: retryAfter))
        case .failure(let failure): .failed(failure)
        case .cut(let text): .answered(CallAnswer(status: 200, body: Array(text.utf8), isCutShort: true))
        case .sequence: .failed(.closed)
        }
    }
}

/// A boot against a scripted service, told from its beginning to its end.
struct Story {
    var targets: [String] = []
    /// In milliseconds, in order.
    var waits: [UInt64] = []
    var result = BootResult()

    private let profile: GuestProfile
    private var service: ScriptedService
    private let answerAfter: UInt64

    init(_ profile: GuestProfile, service: ScriptedService, answerAfter milliseconds: UInt64 = 0) {
        self.profile = profile
        self.service = service
        answerAfter = milliseconds
    }

    func run() -> Story {
        var told = self
        told.tell()
        return told
    }

    private mutating func tell() {
        var boot = GuestBoot(profile: profile)
        var now = LoopInstant(nanoseconds: 1_000_000_000)
        var action = boot.begin(now: now)
        while true {
            switch action {
            case .request(let target, _):
                targets.append(target)
                now = now + .milliseconds(answerAfter)
                action = boot.ended(service.answer(target), now: now)
            case .wait(let span):
                waits.append(span.milliseconds)
                now = now + span
                action = boot.waited(now: now)
            case .finished(let result):
                self.result = result
                return
            }
        }
    }
}
