/// The chunked transfer coding (RFC 9112, section 7.1), reduced to where its framing bytes are.
///
/// One byte after another, so that a split of the stream cannot matter. Every line must end with CRLF: a bare LF
/// here is what makes two readers disagree about where a chunk begins.
struct ChunkedFraming: Sendable {
    private enum Place: Sendable {
        case firstDigit
        case digits
        /// Blanks behind the size are allowed only in front of an extension.
        case blankBeforeExtension
        case chunkExtension
        case sizeLineFeed
        case data
        case dataCarriageReturn
        case dataLineFeed
        case trailerStart
        case trailer
        case trailerLineFeed
        case lastLineFeed
        case done
    }

    private var place = Place.firstDigit
    private var size: UInt64 = 0
    private var lineBytes = 0
    private var extensionBytes = 0
    private var trailerBytes = 0

    /// Bytes of the current chunk that have not come yet; 0 in the middle of framing.
    private(set) var dataRemaining: UInt64 = 0

    var isDone: Bool { place == .done }

    /// Counts `count` bytes of the current chunk's data as passed.
    mutating func takeData(_ count: Int) {
        dataRemaining -= UInt64(count)
        if place == .data, dataRemaining == 0 { place = .dataCarriageReturn }
    }

    /// Passes over framing at the front of `bytes`, up to a chunk's data, the end of the body or the end of `bytes`.
    ///
    /// - Parameter budget: payload that may still be announced; a chunk's size is taken off it.
    /// - Returns: how many bytes were framing.
    mutating func skipFraming(_ bytes: Span<UInt8>, budget: inout UInt64) throws(WireFault) -> Int {
        var offset = 0
        while offset < bytes.count, place != .data, place != .done {
            try pass(bytes[offset], budget: &budget)
            offset += 1
        }
        return offset
    }

    private mutating func pass(_ byte: UInt8, budget: inout UInt64) throws(WireFault) {
        switch place {
        case .firstDigit:
            guard let digit = hexadecimalDigit(byte) else { throw .malformed(.chunkSize) }
            size = digit
            lineBytes = 1
            place = .digits
        case .digits, .blankBeforeExtension, .chunkExtension:
            try passSizeLine(byte)
        case .sizeLineFeed:
            guard byte == Octet.lineFeed else { throw .malformed(.chunkSize) }
            guard size <= budget else { throw .bodyTooLarge }
            budget -= size
            dataRemaining = size
            place = size == 0 ? .trailerStart : .data
        case .dataCarriageReturn:
            guard byte == Octet.carriageReturn else { throw .malformed(.chunkEnd) }
            place = .dataLineFeed
        case .dataLineFeed:
            guard byte == Octet.lineFeed else { throw .malformed(.chunkEnd) }
            place = .firstDigit
        case .trailerStart, .trailer, .trailerLineFeed, .lastLineFeed:
            try passTrailer(byte)
        case .data, .done:
            break
        }
    }

    private mutating func passSizeLine(_ byte: UInt8) throws(WireFault) {
        if byte == Octet.carriageReturn, place != .blankBeforeExtension {
            place = .sizeLineFeed
            return
        }
        lineBytes += 1
        guard lineBytes <= BodyReader.chunkLineBytesMax else { throw .malformed(.chunkLineTooLong) }
        if place == .digits, let digit = hexadecimalDigit(byte) {
            guard size >> 60 == 0 else { throw .malformed(.chunkSize) }
            size = size << 4 | digit
        } else if place == .chunkExtension {
            guard !isControl(byte) || byte == Octet.tab else { throw .malformed(.chunkSize) }
            extensionBytes += 1
            guard extensionBytes <= BodyReader.extensionBytesMax else { throw .malformed(.chunkLineTooLong) }
        } else if byte == UInt8(ascii: ";") {
            place = .chunkExtension
        } else if isBlank(byte) {
            place = .blankBeforeExtension
        } else {
            throw .malformed(.chunkSize)
        }
    }

    private mutating func passTrailer(_ byte: UInt8) throws(WireFault) {
        trailerBytes += 1
        guard trailerBytes <= BodyReader.trailerBytesMax else { throw .malformed(.trailersTooLong) }
        switch place {
        case .trailerLineFeed, .lastLineFeed:
            guard byte == Octet.lineFeed else { throw .malformed(.trailer) }
            place = place == .lastLineFeed ? .done : .trailerStart
        case _ where byte == Octet.carriageReturn:
            place = place == .trailerStart ? .lastLineFeed : .trailerLineFeed
        default:
            guard !isControl(byte) || byte == Octet.tab else { throw .malformed(.trailer) }
            place = .trailer
        }
    }
}

private func hexadecimalDigit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
}
