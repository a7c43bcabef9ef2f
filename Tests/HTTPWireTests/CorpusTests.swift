import Foundation
import HTTPWire
import Testing

/// Replays the fuzzer's corpus: every file keeps its promise (`good-` is accepted, `bad-` refused, `cut-` still open)
/// and all invariants hold for it, for every split of it and for seeded mutations of it.
struct CorpusTests {
    struct Sample: CustomTestStringConvertible, Sendable {
        let kind: String
        let name: String
        let bytes: [UInt8]

        var testDescription: String { "\(kind)/\(name)" }

        var outcome: String {
            switch kind {
            case "request": CorpusTests.outcome(Feeding.request(bytes, pieces: [bytes.count]))
            case "response": CorpusTests.outcome(Feeding.response(bytes, answering: .get, pieces: [bytes.count]))
            default:
                switch Feeding.body(bytes, reader: BodyReader(.chunked), pieces: [bytes.count]).ending {
                case .end: "good"
                case .open: "cut"
                case .fault: "bad"
                }
            }
        }
    }

    private static func outcome<Head>(_ scan: HeadScan<Head>) -> String {
        switch scan {
        case .complete: "good"
        case .needMore: "cut"
        case .fault: "bad"
        }
    }

    static let samples: [Sample] = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return ["request", "response", "chunked"].flatMap { (kind: String) -> [Sample] in
            let folder = root.appending(path: "Fuzz/Corpus/\(kind)")
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
            return names.sorted().compactMap { name in
                guard let data = try? Data(contentsOf: folder.appending(path: name)) else { return nil }
                return Sample(kind: kind, name: name, bytes: Array(data))
            }
        }
    }()

    @Test func corpusIsThere() {
        #expect(Self.samples.count >= 140)
        #expect(Set(Self.samples.map(\.kind)).count == 3)
    }

    @Test(arguments: samples)
    func sampleHasTheOutcomeOfItsName(sample: Sample) {
        #expect(sample.outcome == String(sample.name.prefix { $0 != "-" }))
    }

    @Test(arguments: samples)
    func sampleIsReadTheSameHoweverItIsSplit(sample: Sample) {
        let bytes = sample.bytes
        let request = Feeding.request(bytes, pieces: [bytes.count])
        let response = Feeding.response(bytes, answering: .get, pieces: [bytes.count])
        let body = Feeding.body(bytes, reader: BodyReader(.chunked), pieces: [bytes.count])
        for split in 0...bytes.count {
            let pieces = [split, bytes.count - split]
            #expect(Feeding.request(bytes, pieces: pieces) == request, "split at \(split)")
            #expect(Feeding.response(bytes, answering: .get, pieces: pieces) == response, "split at \(split)")
            let splitBody = Feeding.body(bytes, reader: BodyReader(.chunked), pieces: pieces)
            #expect(splitBody.payload == body.payload && splitBody.ending == body.ending, "split at \(split)")
        }
        for seed in 0..<20 as Range<UInt64> {
            #expect(WireInvariants.violation(bytes, seed: seed) == nil)
        }
    }

    /// A small part of what `Fuzz/run` does, for everyday runs and for toolchains without libFuzzer.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func mutatedSamplesKeepTheInvariants(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for round in 0..<400 {
            var bytes = Self.samples[random.below(Self.samples.count)].bytes
            for _ in 0...random.below(4) { mutate(&bytes, &random) }
            if let violation = WireInvariants.violation(bytes, seed: random.next()) {
                Issue.record("seed \(seed), round \(round): \(violation), input: \(bytes)")
                return
            }
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let telling = Array("\r\n\t\0 :;,#/*019aF\u{7F}".utf8)
        let place = random.below(bytes.count + 1)
        switch random.below(6) {
        case 0:
            bytes.insert(telling[random.below(telling.count)], at: place)
        case 1 where place < bytes.count:
            bytes[place] = telling[random.below(telling.count)]
        case 2 where place < bytes.count:
            bytes[place] ^= 1 << UInt8(random.below(8))
        case 3:
            bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
        case 4:
            let end = min(bytes.count, place + 1 + random.below(30))
            bytes.insert(contentsOf: bytes[place..<end], at: random.below(bytes.count + 1))
        default:
            let other = Self.samples[random.below(Self.samples.count)].bytes
            bytes.replaceSubrange(place..., with: other.dropFirst(random.below(other.count + 1)))
        }
    }
}
