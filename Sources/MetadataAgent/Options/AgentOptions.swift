import OsloConfig

/// Every option of `neutron-metadata-agent`, of every Neutron release at once: the names never clash, and an
/// operator who moves from any release brings a working file along.
///
/// The logging options are a table of their own, `LoggingOptions.all` of OsloLog; the program concatenates.
/// Options of other Neutron programs in a shared `neutron.conf` are not listed: files may hold anything.
public enum AgentOptions {
    public static let all: [Option] =
        HostOptions.all + SocketOptions.all + NovaOptions.all + RESTOptions.all + WSGIOptions.all
        + MessagingOptions.all + BellhopOptions.all + ReportOptions.all + RabbitOptions.all + CacheOptions.all
        + RateLimitOptions.all
}
