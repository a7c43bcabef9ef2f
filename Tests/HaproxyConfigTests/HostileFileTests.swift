import Glibc
import MetadataModel
import TestSupport
import Testing

@testable import HaproxyConfig

/// Reads bytes as a file; what is wrong with it, or nothing.
private func read(_ bytes: [UInt8]) -> [HaproxyProblem] {
    do throws(HaproxyConfigError) {
        _ = try HaproxyPlan([ConfigFile(path: "f", bytes: bytes)], HaproxyCommandLine())
        return []
    } catch {
        return error.problems
    }
}

@Suite struct HostileFileTests {
    private static let generated: [UInt8] = GeneratedConfiguration.all.last.map { Array($0.text.utf8) } ?? []

    @Test func longLines() {
        let text = String(decoding: Self.generated, as: UTF8.self)
        let million = 1_000_000
        let tag = "    log-tag     "
        // Blanks and long words are no reason to refuse; haproxy takes them as well.
        #expect(read(Array(text.replacing(tag, with: "log-tag" + String(repeating: " ", count: million)).utf8)).isEmpty)
        #expect(read(Array(text.replacing(tag, with: tag + String(repeating: "a", count: million)).utf8)).isEmpty)
        #expect(read(Array(text.replacing(tag, with: "#" + String(repeating: "'", count: million)).utf8)).isEmpty)
        // Too many words, and a message that stays readable.
        let words = read(Array(text.replacing(tag, with: tag + String(repeating: "a ", count: million)).utf8))
        #expect(words.first?.code == .syntax)
        let unknown = read(Array(text.replacing(tag, with: String(repeating: "é", count: million) + " ").utf8))
        #expect(unknown.first?.code == .unknownKeyword)
        #expect((unknown.first?.message.utf8.count ?? .max) < 400)
    }

    @Test func bytesThatAreNoText() {
        let text = String(decoding: Self.generated, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for byte: UInt8 in [0x00, 0xFF, 0x80, 0xC3] {
            var bytes: [UInt8] = []
            for line in lines.dropLast() {
                bytes += Array(line.utf8) + (line.hasPrefix("    user") ? [UInt8(ascii: "x"), byte] : []) + [0x0A]
            }
            #expect(read(bytes).first?.code == .syntax)
        }
        let control = read(Array("global\n\u{1B}[2J\n".utf8))
        #expect(control.first?.message.contains("\u{1B}") == false)
    }

    /// Bytes changed, removed, doubled and swapped, always the same ones: nothing may stop the process, and what is
    /// accepted must be a usable plan.
    @Test func randomMutations() throws {
        var random = SplitMix64(seed: 20_261_123)
        let pieces = [
            "\"", "'", "\\", "\\x", "\0", "\n", "#", ":", "::", "[", "]", "(", ")", "{", "}", "%",
            "999999999999999999999", " ",
        ]
        var accepted = 0
        for round in 0..<1_500 {
            let source = GeneratedConfiguration.all[round % GeneratedConfiguration.all.count]
            var bytes = Array(source.text.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: Array((pieces.randomElement(using: &random) ?? "").utf8), at: place)
                case 3: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
                default:
                    let end = min(place + Int.random(in: 1...80, using: &random), bytes.count)
                    bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            do throws(HaproxyConfigError) {
                let plan = try HaproxyPlan([ConfigFile(path: "f", bytes: bytes)], HaproxyCommandLine())
                accepted += 1
                #expect(!plan.binds.isEmpty)
                #expect(plan.socketPath.hasPrefix("/"))
                #expect(plan.rateLimit?.windows.isEmpty != true)
            } catch {
                #expect((1...HaproxyConfigError.problemsMax).contains(error.problems.count))
            }
        }
        // Both ends of the road were walked.
        #expect((100..<1_400).contains(accepted), "\(accepted)")
    }

    @Test func emptyAndMeaningless() {
        #expect(read([]).first?.code == .incomplete)
        #expect(read([0x0A]).first?.code == .incomplete)
        #expect(read(Array("user neutron\n".utf8)).first?.code == .unknownKeyword)
        #expect(read([UInt8](repeating: 0, count: 100_000)).first?.code == .syntax)
        #expect(read([UInt8](repeating: 0x0A, count: 100_000)).first?.code == .incomplete)
    }
}
