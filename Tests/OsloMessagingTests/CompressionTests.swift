import CZlib
import Testing

@testable import OsloMessaging

/// Replies of servers with `kombu_compression`.
@Suite struct CompressionTests {
    private func compressed(_ source: [UInt8]) -> [UInt8] {
        var count = compressBound(UInt(source.count))
        var result = [UInt8](repeating: 0, count: Int(count))
        #expect(compress(&result, &count, source, UInt(source.count)) == Z_OK)
        return Array(result.prefix(Int(count)))
    }

    private func error(_ type: String, _ body: [UInt8], _ bytesMax: Int = 1_000_000) -> MessagingError? {
        messagingError { () throws(MessagingError) in try Compression.removed(type, from: body, bytesMax: bytesMax) }
    }

    @Test(arguments: [0, 1, 1_000, 65_536, 300_000])
    func zlibIsUndone(count: Int) throws {
        let source = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        #expect(try Compression.removed("application/x-gzip", from: compressed(source), bytesMax: count) == source)
    }

    // What gzip itself writes of "{}".
    @Test func gzipIsUndoneToo() throws {
        let body: [UInt8] = [
            0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xAB, 0xAE, 5, 0, 0x43, 0xBF, 0xA6, 0xA3, 2, 0, 0, 0,
        ]
        #expect(try Compression.removed("application/x-gzip", from: body, bytesMax: 2) == Array("{}".utf8))
    }

    @Test func smallBodyThatWouldGrowBeyondTheLimitIsRefused() {
        let bomb = compressed([UInt8](repeating: 0, count: 10_000_000))
        #expect(bomb.count < 20_000)
        #expect(error("application/x-gzip", bomb)?.code == .malformedReply)
        #expect(error("application/x-gzip", bomb, 10_000_000) == nil)
        #expect(error("application/x-gzip", bomb, 9_999_999)?.code == .malformedReply)
    }

    @Test func brokenBodyIsRefused() {
        let good = compressed(Array("{\"oslo.version\": \"2.0\"}".utf8))
        for count in 0..<good.count {
            #expect(error("application/x-gzip", Array(good.prefix(count)))?.code == .malformedReply, "\(count)")
        }
        #expect(error("application/x-gzip", Array("{}".utf8))?.code == .malformedReply)
    }

    @Test(arguments: ["application/x-bz2", "bzip2", "", "application/x-lzma"])
    func otherKindIsRefusedWithTheOptionThatMendsIt(type: String) {
        let error = error(type, [1, 2, 3])
        #expect(error?.code == .malformedReply)
        #expect(error?.message.contains("kombu_compression") == true)
    }
}
