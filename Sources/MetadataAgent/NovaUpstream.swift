import Logging
import NovaBackend
import RelayLoop
import RequestPath

/// Nova's metadata API as the relay loops' next hop, with the name lookup that belongs to it.
struct NovaUpstream {
    let settings: UpstreamSettings
    private let resolver: BackendResolver

    /// - Throws: `TLSConfigurationError` naming the option and file, or `LoopError`.
    init(_ agent: AgentSettings) throws {
        let logger = AgentLog.agent
        resolver = BackendResolver(
            endpoint: agent.backend,
            onEvent: { event in
                switch event {
                case .resolved(let addresses):
                    logger.info(
                        "nova_metadata_host resolved",
                        metadata: ["addresses": "\(addresses.map(\.description).joined(separator: " "))"]
                    )
                case .failed(let reason, let kept):
                    logger.warning(
                        "nova_metadata_host cannot be resolved",
                        metadata: ["reason": "\(reason)", "addresses_kept": "\(kept)"]
                    )
                }
            }
        )
        var settings = UpstreamSettings(
            addresses: ResolvedAddresses(resolver: resolver),
            host: String(decoding: agent.backend.hostHeader, as: UTF8.self)
        )
        if agent.backend.isSecure {
            settings.security = try OpenSSLChannelFactory(endpoint: agent.backend, options: agent.tls)
        }
        settings.answerTimeout = agent.novaTimeout
        settings.connectionsMax = agent.upstreamConnectionsMax
        self.settings = settings
        try resolver.start()
    }

    /// Ends the name lookups of settings that are no longer used.
    func stop() {
        resolver.stop()
    }
}

private struct ResolvedAddresses: UpstreamAddresses {
    let resolver: BackendResolver

    func current() -> [SocketAddress] { resolver.current() }
    func connectionFailed() { resolver.noteFailure() }
}
