/// Remote calls and casts: what users of the message bus see of it.
public protocol RPCClient: Sendable {
    /// Runs a method on a server and waits for its result.
    ///
    /// - Parameters:
    ///   - timeout: all in all, connecting included.
    ///   - resendAfter: sends the request again after so long without a reply, and then after twice, four times
    ///     that, because a server that dies takes the requests it has taken with it. For methods that change nothing.
    ///     Nil sends it once per connection.
    ///   - isPatient: waits for a broker until the timeout. Otherwise the call fails once the bus has been away for a
    ///     while (`MessagingSettings.awayPatience`).
    func call(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration,
        resendAfter: Duration?,
        isPatient: Bool
    ) async throws(MessagingError) -> RemoteResult

    /// Gives a message to the broker and waits until the broker has it, not for any server.
    func cast(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration
    ) async throws(MessagingError)
}
