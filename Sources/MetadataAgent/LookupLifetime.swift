import OsloConfig

/// How long a found instance is kept, from three generations of cache options.
///
/// Neutron's own rule (Newton to Pike) is kept: `cache_url` counts unless it was emptied, then `[cache]`. Its default
/// of five seconds (Juno to Pike) stays in force, because what made it harmful there is gone here: "nobody" is
/// never stored, and a 404 of Nova's leads to a new lookup.
enum LookupLifetime {
    /// What "never expires" of the old cache means here: an entry is looked up again at least this often.
    static let longest = Duration.seconds(3_600)

    static func from(_ configuration: Configuration) -> Duration {
        if let lifetime = configuration.seconds("lookup_cache_seconds", group: "bellhop") {
            return min(lifetime, longest)
        }
        let url = configuration.string("cache_url") ?? ""
        if isCacheOn(configuration), url.isEmpty || !configuration.isSet("cache_url") {
            let seconds = configuration.integer("expiration_time", group: "cache") ?? 600
            return min(.seconds(max(seconds, 0)), longest)
        }
        return url.isEmpty ? .zero : min(lifetime(ofURL: url), longest)
    }

    private static func isCacheOn(_ configuration: Configuration) -> Bool {
        let backend = configuration.string("backend", group: "cache") ?? "dogpile.cache.null"
        return configuration.boolean("enabled", group: "cache") == true && backend != "dogpile.cache.null"
    }

    /// `memory://?default_ttl=5`; 0 and no value mean for ever, as in Juno.
    private static func lifetime(ofURL url: String) -> Duration {
        guard let query = url.split(separator: "?", maxSplits: 1).dropFirst().first else { return longest }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0] == "default_ttl", let seconds = Int(parts[1]), seconds > 0 {
                return .seconds(seconds)
            }
        }
        return longest
    }
}
