import CBootStorm
import Glibc
import LinuxHost
import MetadataModel

/// The network namespaces of a storm, and the way of its one thread through them.
///
/// A socket belongs to the namespace in which it was made, so the thread enters the right one before each connection
/// and stays there until another is needed. Made and used on that thread only, which must end with the storm: it is
/// left where it was last.
final class NetworkSpaces {
    /// One of the namespaces; nil elsewhere means the process's own.
    typealias Place = Int

    private let own: CInt
    private var opened: [CInt] = []
    private var names: [String: Place?] = [:]
    /// Where the thread is now.
    private var current: Place?

    init() throws(StormError) {
        own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard own >= 0 else {
            throw StormError("/proc/thread-self/ns/net cannot be opened: \(systemReason(errno)).")
        }
    }

    deinit {
        for descriptor in opened { close(descriptor) }
        close(own)
    }

    /// Opens a namespace by its name or path. Nil if it is the process's own under another name.
    func place(named name: String) throws(StormError) -> Place? {
        if let known = names[name] { return known }
        let path = name.contains("/") ? name : "/run/netns/\(name)"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw StormError("The network namespace \(path) cannot be opened: \(systemReason(errno)).")
        }
        if Self.isSame(descriptor, own) {
            close(descriptor)
            names[name] = .some(nil)
            return nil
        }
        opened.append(descriptor)
        names[name] = opened.count - 1
        return opened.count - 1
    }

    private static func isSame(_ left: CInt, _ right: CInt) -> Bool {
        var one = stat()
        var other = stat()
        return fstat(left, &one) == 0 && fstat(right, &other) == 0 && one.st_ino == other.st_ino
            && one.st_dev == other.st_dev
    }

    func enter(_ place: Place?) throws(StormError) {
        guard place != current else { return }
        guard cbootstorm_enter(place.map { opened[$0] } ?? own) == 0 else {
            throw StormError("A network namespace cannot be entered: \(systemReason(errno)). It needs root.")
        }
        current = place
    }

    /// The addresses of all interfaces in the namespace where the thread is.
    static func localAddresses() -> Set<IPAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<IPAddress> = []
        var entry = list
        while let interface = entry {
            entry = interface.pointee.ifa_next
            guard let address = interface.pointee.ifa_addr else { continue }
            let raw = UnsafeRawPointer(address)
            switch CInt(address.pointee.sa_family) {
            case AF_INET: found.insert(IPAddress(raw.loadUnaligned(as: sockaddr_in.self).sin_addr))
            case AF_INET6: found.insert(IPAddress(raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr))
            default: break
            }
        }
        return found
    }
}
