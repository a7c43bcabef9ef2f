import OsloConfig
import RelayLoop
import RequestPath

extension GuestLimits.Settings {
    /// Neutron's `[metadata_rate_limiting]`, and our own preset.
    ///
    /// - Throws: `AgentSettingsError` for an IP version that does not exist.
    init(_ configuration: Configuration) throws(AgentSettingsError) {
        self = configuration.string("guest_limits", group: "bellhop") == "standard" ? .standard : GuestLimits.Settings()
        guard configuration.boolean("rate_limit_enabled", group: RateLimitOptions.group) == true else { return }
        var families: RateLimiter.Families = []
        for version in configuration.list("ip_versions", group: RateLimitOptions.group) {
            switch version {
            case "4": families.insert(.ipv4)
            case "6": families.insert(.ipv6)
            default:
                throw AgentSettingsError(
                    "[metadata_rate_limiting] ip_versions: \"\(version)\" is no IP version. Use 4, 6, or both."
                )
            }
        }
        func window(_ name: String) -> RateLimiter.Window {
            let seconds = configuration.integer("\(name)_window_duration", group: RateLimitOptions.group) ?? 10
            let requests = configuration.integer("\(name)_query_rate_limit", group: RateLimitOptions.group) ?? 10
            return RateLimiter.Window(
                period: .seconds(Double(seconds)),
                requestsMax: UInt32(clamping: requests)
            )
        }
        rates.append(GuestLimits.Rate(windows: [window("base"), window("burst")], families: families))
    }
}
