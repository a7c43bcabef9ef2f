import Glibc
import HaproxyConfig
import LinuxHost
import Logging
import MetadataModel

/// Opens the addresses that haproxy's configuration names.
enum HaproxyListeners {
    /// haproxy's own: `maxconn`.
    private static let backlog: CInt = 1_024

    /// All of them, or those that can be had if IPv4 is among them: guests without IPv6 must not lose their metadata
    /// because duplicate address detection took `fe80::a9fe:a9fe` away (LP 1953165), or the kernel has no IPv6.
    ///
    /// - Returns: listening descriptors, which the caller closes.
    static func open(
        _ binds: [HaproxyBind],
        windowSeconds: Int,
        _ signals: SignalSource
    ) throws(HostError) -> [CInt] {
        var opened: [CInt] = []
        var hasIPv4 = false
        var failure: HostError?
        for bind in binds {
            let retry = BindRetry(
                windowSeconds: windowSeconds,
                pause: { signals.wait(milliseconds: $0)?.endsProgram != true }
            )
            do throws(HostError) {
                opened.append(try open(bind, retry))
                if !bind.address.isV6 || bind.isDualStack { hasIPv4 = true }
            } catch {
                if error.code == .interrupted {
                    failure = error
                    hasIPv4 = false
                    break
                }
                if bind.isDualStack, let descriptor = try? openIPv4(in: bind, retry) {
                    opened.append(descriptor)
                    hasIPv4 = true
                    warn(bind, error)
                } else if bind.address.isV6 {
                    failure = failure ?? error
                    warn(bind, error)
                } else {
                    // Without IPv4 there is nothing worth serving.
                    failure = error
                    hasIPv4 = false
                    break
                }
            }
        }
        guard let failure, !hasIPv4 else { return opened }
        for descriptor in opened { close(descriptor) }
        throw failure
    }

    private static func open(_ bind: HaproxyBind, _ retry: BindRetry) throws(HostError) -> CInt {
        var interface = bind.interface
        if let name = interface, if_nametoindex(name) == 0, !bind.address.isIPv6LinkLocal {
            // As haproxy does: a device that is not there is not bound to.
            ProxyLog.proxy.warning(
                "The interface does not exist and is not bound to",
                metadata: ["interface": "\(name)"]
            )
            interface = nil
        }
        return try TCPListener.open(
            address: bind.address.description,
            port: bind.port,
            interface: interface,
            backlog: backlog,
            sharesPort: true,
            isV6Only: bind.address.isV6 ? bind.isV6Only : nil,
            retry: retry
        )
    }

    /// The IPv4 half of an address for both families.
    private static func openIPv4(in bind: HaproxyBind, _ retry: BindRetry) throws(HostError) -> CInt {
        try TCPListener.open(
            address: "0.0.0.0",
            port: bind.port,
            interface: nil,
            backlog: backlog,
            sharesPort: true,
            retry: retry
        )
    }

    private static func warn(_ bind: HaproxyBind, _ error: HostError) {
        ProxyLog.proxy.warning(
            "An IPv6 address cannot be listened on; IPv4 is served without it",
            metadata: ["bind": "\(bind)", "reason": "\(error.message)"]
        )
    }
}

extension HaproxyBind {
    /// Whether it takes IPv4 guests as well.
    fileprivate var isDualStack: Bool { address == .v6(high: 0, low: 0) && !isV6Only }
}
