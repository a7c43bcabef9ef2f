import RelayLoop

/// The boot of one guest, as cloud-init's OpenStack data source does it: the first question, the list of versions, the
/// documents, the injected files, the EC2 tree; each on a connection of its own, with the patience of its release.
///
/// A value without I/O or clock: tell it what happened and when, and carry out what it says. Requests are one at a time.
public struct GuestBoot: Sendable {
    public enum Action: Equatable, Sendable {
        case request(target: String, patience: Patience)
        /// Do nothing for so long, then call `waited`.
        case wait(LoopSpan)
        case finished(BootResult)
    }

    /// cloud-init asks without end where a server lists without end.
    public static let requestsMax = 2_000
    /// The longest `Retry-After` that means anything here.
    private static let retryAfterMaxSeconds = 86_400.0
    /// What cloud-init knows, the newest first; of newer ones it knows nothing.
    private static let versions: [String] = [
        "2018-08-27", "2017-02-22", "2016-10-06", "2016-06-30", "2015-10-15", "2013-10-17", "2013-04-04", "2012-08-10",
    ]

    private enum Document: Int, CaseIterable {
        case metadata
        case userData
        case vendorData
        case vendorData2
        case networkData

        var name: String {
            switch self {
            case .metadata: "meta_data.json"
            case .userData: "user_data"
            case .vendorData: "vendor_data.json"
            case .vendorData2: "vendor_data2.json"
            case .networkData: "network_data.json"
            }
        }

        /// What its loss costs; nil for the one that the boot cannot do without.
        var part: BootResult.Part? {
            switch self {
            case .metadata: nil
            case .userData: .userData
            case .vendorData, .vendorData2: .vendorData
            case .networkData: .networkData
            }
        }

        var isJSON: Bool { self != .userData }
    }

    private enum Step {
        case notBegun
        case probe
        case versions
        case document(Document)
        /// An injected file: they are named in meta_data.json.
        case content(index: Int)
        case tree
        case over
    }

    private let profile: GuestProfile
    /// The target is an IPv4 address: newer releases ask the IPv6 one first.
    private let isSecondAddress: Bool
    private var step = Step.notBegun
    private var target = ""
    private var attempts = 0
    private var version = "latest"
    private var contentPaths: [String] = []
    private var crawl = EC2Crawl()
    private var began = LoopInstant(nanoseconds: 0)
    private var result = BootResult()

    public init(profile: GuestProfile, isIPv6: Bool = false) {
        self.profile = profile
        isSecondAddress = !isIPv6
    }

    // MARK: Events

    public mutating func begin(now: LoopInstant) -> Action {
        began = now
        return probe()
    }

    /// The wait is over.
    public mutating func waited(now: LoopInstant) -> Action {
        request(now)
    }

    public mutating func ended(_ outcome: CallOutcome, now: LoopInstant) -> Action {
        switch step {
        case .notBegun, .over: .finished(result)
        case .probe: probeEnded(outcome, now)
        case .versions: versionsEnded(outcome, now)
        case .document(let document): documentEnded(document, outcome, now)
        case .content(let index): contentEnded(index, outcome, now)
        case .tree: treeEnded(outcome, now)
        }
    }

    // MARK: Is this OpenStack?

    private mutating func probe() -> Action {
        step = .probe
        target = "/openstack"
        let delay = isSecondAddress ? profile.secondAddressDelay : .zero
        return delay > .zero ? .wait(delay) : request(began)
    }

    private mutating func probeEnded(_ outcome: CallOutcome, _ now: LoopInstant) -> Action {
        switch outcome {
        case .failed(let failure):
            return fail(.failure(failure), now)
        case .answered(let answer):
            if (200..<300).contains(answer.status) {
                // An empty list is no metadata service.
                guard !answer.body.isEmpty else { return fail(.unreadable, now) }
                step = .versions
                return ask("/openstack", now)
            }
            if answer.status == 503, profile.waitsAfter503, let pause = Self.pause(after: answer) {
                // Afterwards it begins anew, with both addresses and a full measure of time.
                let delay = isSecondAddress ? profile.secondAddressDelay : .zero
                return .wait(LoopSpan(nanoseconds: pause.nanoseconds + delay.nanoseconds))
            }
            return fail(.status(answer.status), now)
        }
    }

    // MARK: OpenStack's documents

    private mutating func versionsEnded(_ outcome: CallOutcome, _ now: LoopInstant) -> Action {
        switch verdict(outcome) {
        case .again: return .wait(profile.pause)
        case .good(let body):
            let listed = String(validating: body, as: UTF8.self)?.split(whereSeparator: \.isNewline) ?? []
            let known = Set(listed.map(\.trimmingBlanks))
            version = Self.versions.first { known.contains($0[...]) } ?? "latest"
        case .bad:
            // It then goes on as if the list were empty.
            break
        }
        return next(.metadata, now)
    }

    private mutating func next(_ document: Document, _ now: LoopInstant) -> Action {
        step = .document(document)
        return ask("/openstack/\(version)/\(document.name)", now)
    }

    private mutating func documentEnded(_ document: Document, _ outcome: CallOutcome, _ now: LoopInstant) -> Action {
        switch verdict(outcome) {
        case .again:
            return .wait(profile.pause)
        case .bad(let cause):
            guard let part = document.part else { return fail(cause, now) }
            if cause == .status(404) {
                result.absent.insert(part)
            } else {
                result.lost.insert(part)
            }
        case .good(let body):
            if document == .metadata {
                guard let known = MetadataDocument(body) else { return fail(.unreadable, now) }
                result.instanceID = known.instanceID
                contentPaths = known.contentPaths
            } else if document.isJSON, !MetadataDocument.isJSON(body) {
                // One broken document costs the guest all of them.
                return fail(.unreadable, now)
            }
        }
        if let following = Document(rawValue: document.rawValue + 1) { return next(following, now) }
        return nextContent(0, now)
    }

    private mutating func nextContent(_ index: Int, _ now: LoopInstant) -> Action {
        guard index < contentPaths.count else { return nextInTree(now) }
        step = .content(index: index)
        return ask("/openstack/" + EC2Crawl.quoted(contentPaths[index]), now)
    }

    private mutating func contentEnded(_ index: Int, _ outcome: CallOutcome, _ now: LoopInstant) -> Action {
        switch verdict(outcome) {
        case .again: .wait(profile.pause)
        case .bad(let cause): fail(cause, now)
        case .good: nextContent(index + 1, now)
        }
    }

    private enum Verdict {
        case good([UInt8])
        case again
        case bad(BootResult.NoDataSource.Cause)
    }

    /// The rules for documents: failures are tried again, statuses only where the release knows them as passing.
    private func verdict(_ outcome: CallOutcome) -> Verdict {
        let mayRepeat = attempts < profile.attemptsMax
        switch outcome {
        case .failed(let failure):
            return mayRepeat ? .again : .bad(.failure(failure))
        case .answered(let answer) where answer.isCutShort && profile.noticesShortBodies:
            return mayRepeat ? .again : .bad(.failure(.closed))
        case .answered(let answer) where answer.status >= 400:
            let isPassing = profile.repeatedStatuses.contains(answer.status)
            return isPassing && mayRepeat ? .again : .bad(.status(answer.status))
        case .answered(let answer):
            return .good(answer.body)
        }
    }

    // MARK: The EC2 tree

    private mutating func nextInTree(_ now: LoopInstant) -> Action {
        step = .tree
        guard let following = crawl.next() else { return finish(now) }
        return ask(following, now)
    }

    /// Here any error is tried again, 404 as well; one item that stays unreadable costs the whole tree.
    private mutating func treeEnded(_ outcome: CallOutcome, _ now: LoopInstant) -> Action {
        if case .answered(let answer) = outcome, answer.status < 400,
            !(answer.isCutShort && profile.noticesShortBodies)
        {
            if crawl.expectsListing, !crawl.take(answer.body) { return loseTree(now) }
            return nextInTree(now)
        }
        if case .answered(let answer) = outcome, answer.status == 503, profile.waitsAfter503,
            let pause = Self.pause(after: answer)
        {
            // However many attempts were made before.
            return .wait(pause)
        }
        return attempts < profile.attemptsMax ? .wait(profile.pause) : loseTree(now)
    }

    private mutating func loseTree(_ now: LoopInstant) -> Action {
        result.lost.insert(.ec2Tree)
        return finish(now)
    }

    // MARK: All steps

    private mutating func ask(_ target: String, _ now: LoopInstant) -> Action {
        self.target = target
        attempts = 0
        return request(now)
    }

    private mutating func request(_ now: LoopInstant) -> Action {
        guard result.requests < Self.requestsMax else {
            if case .tree = step { return loseTree(now) }
            return fail(.unreadable, now)
        }
        attempts += 1
        result.requests += 1
        var patience = Patience(silence: profile.silenceMax)
        if case .probe = step, let total = profile.probeTotalMax {
            patience.total = total - (isSecondAddress ? profile.secondAddressDelay : .zero)
        }
        return .request(target: target, patience: patience)
    }

    private mutating func fail(_ cause: BootResult.NoDataSource.Cause, _ now: LoopInstant) -> Action {
        result.noDataSource = .init(target: target, cause: cause)
        return end(now)
    }

    private mutating func finish(_ now: LoopInstant) -> Action {
        // The id is looked for last of all.
        if result.instanceID == nil {
            result.noDataSource = .init(target: "/openstack/\(version)/meta_data.json", cause: .unreadable)
        }
        return end(now)
    }

    private mutating func end(_ now: LoopInstant) -> Action {
        step = .over
        result.duration = now.since(began)
        return .finished(result)
    }

    /// What `Retry-After` asks for, a second if there is none. Nil for zero and less, which a guest takes for "do not".
    /// A date counts as a second; cloud-init computes it with the guest's clock.
    private static func pause(after answer: CallAnswer) -> LoopSpan? {
        let seconds = answer.retryAfter.map { Double($0) ?? 1 } ?? 1
        guard seconds > 0 else { return nil }
        return .seconds(min(seconds, retryAfterMaxSeconds))
    }
}
