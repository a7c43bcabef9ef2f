/// What haproxy knows beyond what Neutron's agents write, sorted by whether leaving it out could change an answer.
///
/// **A keyword that is in no list is an error**, as in haproxy. A warning would be friendlier to a release of Neutron
/// that writes something new, but a new line is written for a reason: a limit, a header, a restriction. Serving
/// guests without it would go unnoticed; a proxy that does not start is in the agent's log with the file, the line
/// and the word, and haproxy can be put back at once.
enum KnownKeywords {
    /// Sections that describe things nothing here refers to.
    static let ignoredSections: Set<String> = [
        "acme", "cache", "crt-store", "fcgi-app", "http-errors", "log-forward", "log-profile", "mailers", "peers",
        "program", "resolvers", "ring", "traces", "userlist",
    ]

    /// Of `global`: processes, threads, tuning, TLS, statistics, and haproxy's own limits.
    static func isIgnoredGlobal(_ keyword: String) -> Bool {
        ignoredGlobal.contains(keyword) || ignoredGlobalPrefixes.contains { keyword.hasPrefix($0) }
    }

    private static let ignoredGlobal: Set<String> = [
        "busy-polling", "ca-base", "close-spread-time", "cluster-secret", "cpu-map", "cpu-policy", "cpu-set",
        "crt-base",
        "debug", "default-path", "description", "dns-accept-family", "expose-deprecated-directives",
        "expose-experimental-directives", "external-check", "fd-hard-limit", "force-cfg-parser-pause", "grace",
        "h1-accept-payload-with-any-method", "h1-case-adjust", "h1-case-adjust-file", "hard-stop-after",
        "http-err-codes",
        "http-fail-codes", "insecure-fork-wanted", "insecure-setuid-wanted", "issuers-chain-path", "key-base",
        "limited-quic", "localpeer", "log-send-hostname", "master-worker", "maxcompcpuusage", "maxcomprate",
        "maxconnrate", "maxpipes", "maxsessrate", "maxsslconn", "maxsslrate", "maxzlibmem", "mworker-max-reloads",
        "nbproc", "nbthread", "nbtgroups", "no-memory-trimming", "no-quic", "node", "noepoll", "noevports",
        "nogetaddrinfo", "nokqueue", "nopoll", "noreuseport", "nosplice", "numa-cpu-mapping", "ocsp-update.disable",
        "pp2-never-send-local", "prealloc-fd", "presetenv", "quiet", "resetenv", "server-state-base",
        "server-state-file", "set-dumpable", "setcap", "setenv", "shm-stats-file", "spread-checks", "stats",
        "stats-file", "strict-limits", "thread-group", "thread-groups", "thread-hard-limit", "ulimit-n", "unix-bind",
        "unsetenv", "warn-blocked-traffic-after", "zero-warning",
    ]

    private static let ignoredGlobalPrefixes = [
        "51degrees-", "deviceatlas-", "harden.", "httpclient.", "lua-", "ocsp-update.", "profiling.", "ssl-", "tune.",
        "wurfl-",
    ]

    /// Of `global`: haproxy would act on them and this program would not.
    static let unsupportedGlobal: Set<String> = ["chroot", "log-steps", "set-var", "set-var-fmt"]

    /// Of the other sections: how servers are chosen and checked when there are several, and the shape of pages and
    /// log lines.
    static let ignoredInProxy: Set<String> = [
        "backlog", "balance", "bind-process", "clitcpka-cnt", "clitcpka-idle", "clitcpka-intvl", "compression",
        "default-server", "description", "email-alert", "enabled", "errorfile", "errorfiles", "errorloc", "errorloc302",
        "errorloc303", "fullconn", "grace", "guid", "hash-balance-factor", "hash-preserve-affinity", "hash-type",
        "http-check", "http-error", "http-reuse", "id", "load-server-state-from-file", "log-format", "log-format-sd",
        "log-steps", "max-keep-alive-queue", "max-session-srv-conns", "retry-on", "server-state-file-name",
        "srvtcpka-cnt", "srvtcpka-idle", "srvtcpka-intvl", "tcp-check", "unique-id-format",
    ]

    /// Of the other sections: they choose, change or refuse requests, and are not implemented here.
    static let unsupportedInProxy: Set<String> = [
        "acl", "capture", "cookie", "declare", "disabled", "dispatch", "error-log-format", "external-check", "filter",
        "force-persist", "http-after-response", "http-response", "http-send-name-header", "ignore-persist", "monitor",
        "monitor-net", "monitor-uri", "persist", "quic-initial", "rate-limit", "redirect", "server-template", "source",
        "stats", "stick", "tcp-request", "tcp-response", "transparent", "unique-id-header", "use-fcgi-app",
        "use-server",
        "use_backend",
    ]

    /// Names behind `option` without a meaning here.
    static func isIgnoredOption(_ name: String) -> Bool {
        ignoredOptions.contains(name) || name.hasSuffix("-check") || name.hasPrefix("splice-")
    }

    private static let ignoredOptions: Set<String> = [
        "abortonclose", "accept-invalid-http-request", "accept-invalid-http-response",
        "accept-unsafe-violations-in-http-request",
        "accept-unsafe-violations-in-http-response", "allbackups", "checkcache", "clitcpka", "contstats",
        "disable-h2-upgrade",
        "dontlog-normal", "h1-case-adjust-bogus-client", "h1-case-adjust-bogus-server", "http-buffer-request",
        "http-drop-request-trailers", "http-drop-response-trailers", "http-ignore-probes", "http-keep-alive",
        "http-no-delay", "http-pretend-keepalive", "http-restrict-req-hdr-names", "http-use-htx",
        "http-use-proxy-header", "httpchk", "httpclose", "idle-close-on-response", "independent-streams",
        "log-health-checks", "log-separate-errors", "logasap", "nolinger", "persist", "prefer-last-server",
        "redispatch",
        "smtpchk", "socket-stats", "srvtcpka", "ssl-hello-chk", "tcp-smart-accept", "tcp-smart-connect", "tcpka",
        "tcplog", "use-small-buffers",
    ]

    /// Names behind `option` that would change what is relayed.
    static let unsupportedOptions: Set<String> = ["forwarded", "http_proxy", "originalto", "transparent"]

    /// Names behind `timeout` for things that do not happen here; their times are still checked.
    static let ignoredTimeouts: Set<String> = [
        "check", "client-fin", "client-hs", "queue", "server-fin", "tarpit", "tunnel",
    ]
}
