import HTTPWire
import MetadataModel
import RelayLoop

/// Step 6. What the guest gets: the next hop's answer with its status, content type and exact bytes, or a
/// sentence of our own.
enum Answer {
    /// Which of the next hop's statuses reach the guest.
    enum Mapping {
        /// Nova's: those that mean something to a guest; the rest become 500, as in every Neutron release.
        case nova
        /// The agent's: all, it has mapped them.
        case agent

        func passes(_ status: Int) -> Bool {
            switch self {
            case .agent: true
            case .nova:
                switch status {
                case 200, 400, 403, 404, 409, 500, 502, 503, 504: true
                default: false
                }
            }
        }
    }

    /// How the body is framed towards the guest.
    enum Framing: Equatable {
        /// No body and no length (HEAD, 204, 304).
        case none
        case length(UInt64)
        case chunked
        /// The end of the connection is the end of the body, for HTTP/1.0 guests.
        case untilClose
    }

    /// What happens to the guest's connection afterwards, as far as a header must say so.
    enum Persistence {
        case asUsual
        case keepAliveForHTTP10
        case close
    }

    /// Writes the head of an answer that is passed on.
    static func writeHead(
        of head: ResponseHead,
        in bytes: Span<UInt8>,
        to output: inout ByteQueue,
        framing: Framing,
        persistence: Persistence,
        date: HTTPDate
    ) {
        writeStatusLine(head.status, to: &output)
        if let range = head.contentType {
            writeField("Content-Type: ", bytes.extracting(range.start..<range.end), to: &output)
        }
        if let range = head.retryAfter {
            writeField("Retry-After: ", bytes.extracting(range.start..<range.end), to: &output)
        }
        writeTail(to: &output, framing: framing, persistence: persistence, date: date)
    }

    /// Writes a complete answer of Nova's that was remembered.
    static func writeStored(
        _ stored: AnswerCache.Book.Answer,
        to output: inout ByteQueue,
        persistence: Persistence,
        date: HTTPDate
    ) {
        writeStatusLine(200, to: &output)
        if let contentType = stored.contentType { writeField("Content-Type: ", contentType.span, to: &output) }
        let length = UInt64(stored.body.count)
        writeTail(to: &output, framing: .length(length), persistence: persistence, date: date)
        output.append(stored.body)
    }

    /// Writes a complete answer of our own: one plain sentence.
    static func writeRefusal(
        _ verdict: Verdict,
        status: Int,
        to output: inout ByteQueue,
        isHead: Bool,
        persistence: Persistence,
        date: HTTPDate
    ) {
        let text = verdict.explanation
        writeStatusLine(status, to: &output)
        output.append("Content-Type: text/plain; charset=UTF-8\r\n")
        if let seconds = verdict.retryAfterSeconds {
            output.append("Retry-After: ")
            output.append(decimal: UInt64(seconds))
            output.append("\r\n")
        }
        if verdict == .methodNotAllowed {
            output.append("Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n")
        }
        let length = UInt64(text.utf8.count + 1)
        writeTail(to: &output, framing: .length(length), persistence: persistence, date: date)
        guard !isHead else { return }
        output.append(text)
        output.append(byte: UInt8(ascii: "\n"))
    }

    private static func writeStatusLine(_ status: Int, to output: inout ByteQueue) {
        output.append("HTTP/1.1 ")
        output.append(decimal: UInt64(max(status, 0)))
        output.append(byte: UInt8(ascii: " "))
        output.append(reason(status))
        output.append("\r\n")
    }

    private static func writeField(_ name: StaticString, _ value: Span<UInt8>, to output: inout ByteQueue) {
        output.append(name)
        output.append(value)
        output.append("\r\n")
    }

    private static func writeTail(
        to output: inout ByteQueue,
        framing: Framing,
        persistence: Persistence,
        date: HTTPDate
    ) {
        switch framing {
        case .none, .untilClose:
            break
        case .length(let count):
            output.append("Content-Length: ")
            output.append(decimal: count)
            output.append("\r\n")
        case .chunked:
            output.append("Transfer-Encoding: chunked\r\n")
        }
        output.append("Date: ")
        output.append(date.text)
        switch persistence {
        case .asUsual: output.append("\r\n\r\n")
        case .keepAliveForHTTP10: output.append("\r\nConnection: keep-alive\r\n\r\n")
        case .close: output.append("\r\nConnection: close\r\n\r\n")
        }
    }

    /// One piece of a body in chunked encoding.
    static func writeChunk(_ payload: Span<UInt8>, to output: inout ByteQueue) {
        guard !payload.isEmpty else { return }
        output.append(hexadecimal: UInt64(payload.count))
        output.append("\r\n")
        output.append(payload)
        output.append("\r\n")
    }

    static func writeLastChunk(to output: inout ByteQueue) {
        output.append("0\r\n\r\n")
    }

    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
