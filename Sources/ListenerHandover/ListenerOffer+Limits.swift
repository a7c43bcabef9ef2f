import RequestPath

extension ListenerOffer {
    /// Nil if the offer leaves everything to the agent.
    public var limits: DoorLimits? {
        guard
            requestTimeout != nil || clientTimeout != nil || keepAliveTimeout != nil || answerTimeout != nil
                || connectionsMax != nil || rate != nil
        else { return nil }
        let usual = RelaySettings()
        return DoorLimits(
            requestTimeout: requestTimeout ?? usual.requestTimeout,
            clientTimeout: clientTimeout ?? usual.clientTimeout,
            keepAliveTimeout: keepAliveTimeout ?? usual.keepAliveTimeout,
            answerTimeout: answerTimeout,
            connectionsMax: connectionsMax,
            rate: rate.map { RateLimiter($0) }
        )
    }
}

extension RateLimiter {
    init(_ limit: ListenerOffer.RateLimit) {
        var families: Families = []
        if limit.countsIPv4 { families.insert(.ipv4) }
        if limit.countsIPv6 { families.insert(.ipv6) }
        self.init(
            windows: limit.windows.map { Window(period: $0.period, requestsMax: $0.requestsMax) },
            families: families,
            entriesMax: limit.entriesMax ?? Self.entriesDefault,
            expiry: limit.expiry
        )
    }
}
