import Glibc

/// Calls `body` with the socket address of a path, or of an abstract name if the first byte is NUL.
///
/// - Returns: nil if the name is empty or too long.
public func withUnixAddress<Result>(
    _ name: [UInt8],
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result? {
    guard let first = name.first else { return nil }
    var address = sockaddr_un()
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    // A path is closed by a NUL; an abstract name is exactly as long as the length says.
    let isAbstract = first == 0
    guard name.count < capacity || isAbstract && name.count == capacity else { return nil }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
    let length = socklen_t(offset + name.count + (isAbstract ? 0 : 1))
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
}
