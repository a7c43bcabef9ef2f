import CZlib

/// Takes the compression off a reply. Requests are never compressed, but a server with `kombu_compression = gzip`
/// compresses its replies whoever asks.
enum Compression {
    /// - Parameters:
    ///   - type: the header `compression` of the message, as kombu writes it: `application/x-gzip` for zlib's format.
    ///   - bytesMax: the largest result taken.
    /// - Throws: `MessagingError.malformedReply` for another type, broken bytes, or too many of them.
    static func removed(_ type: String, from body: [UInt8], bytesMax: Int) throws(MessagingError) -> [UInt8] {
        guard type == "application/x-gzip" else {
            throw MessagingError(
                .malformedReply,
                "A reply is compressed as \(type.prefix(64)): set kombu_compression of the server to gzip, or unset it."
            )
        }
        var stream = z_stream()
        guard czlib_inflate_init(&stream) == Z_OK else {
            throw MessagingError(.malformedReply, "There is no memory to decompress a reply.")
        }
        defer { inflateEnd(&stream) }
        guard let result = inflate(body, &stream, bytesMax) else {
            throw MessagingError(.malformedReply, "A compressed reply is broken, or above \(bytesMax) bytes.")
        }
        return result
    }

    private static func inflate(_ body: [UInt8], _ stream: inout z_stream, _ bytesMax: Int) -> [UInt8]? {
        var input = body
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        return input.withUnsafeMutableBufferPointer { source -> [UInt8]? in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(clamping: source.count)
            while true {
                let (code, count) = chunk.withUnsafeMutableBufferPointer { room -> (CInt, Int) in
                    stream.next_out = room.baseAddress
                    stream.avail_out = UInt32(clamping: room.count)
                    let code = CZlib.inflate(&stream, Z_NO_FLUSH)
                    return (code, room.count - Int(stream.avail_out))
                }
                guard result.count + count <= bytesMax else { return nil }
                result += chunk.prefix(count)
                if code == Z_STREAM_END { return result }
                guard code == Z_OK else { return nil }
            }
        }
    }
}
