import HTTPWire
import MetadataModel

extension ByteQueue {
    /// An IPv4 address is written digit by digit: it is on the path of every request.
    mutating func append(_ address: IPAddress) {
        guard case .v4(let value) = address else {
            append(address.description)
            return
        }
        for index: UInt32 in 0..<4 {
            let shift = 24 - 8 * index
            if shift != 24 { append(byte: UInt8(ascii: ".")) }
            append(decimal: UInt64(value >> shift & 0xFF))
        }
    }
}
