import Glibc
import LinuxHost
import MetadataModel
import Testing

@testable import ListenerHandover

/// Both ends of the socket in one process: the lease is the proxy's, the listener stands for the agent.
@Suite struct ListenerLeaseTests {
    private final class Agent {
        let path: String
        let listener: UnixListener

        init() throws {
            path = "/tmp/bellhop-lease-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            listener = try UnixListener.open(path: path, permissions: 0o600, backlog: 8, kind: .packets)
        }

        deinit {
            listener.unlinkIfOurs()
            close(listener.descriptor)
        }

        /// Greets the next proxy on a thread of its own, and answers its offer, which stays to be read.
        func answer(_ reply: ListenerReply, to greeting: ListenerReply = .ready) -> () -> PacketSocket? {
            let descriptor = listener.descriptor
            nonisolated(unsafe) var accepted: PacketSocket?
            nonisolated(unsafe) var thread = pthread_t()
            let body: () -> Void = {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 5_000) > 0, let connection = PacketSocket.accept(descriptor) else { return }
                _ = connection.send(greeting.bytes)
                var readable = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
                if poll(&readable, 1, 5_000) > 0, readable.revents & Int16(POLLHUP) == 0 {
                    _ = connection.send(reply.bytes)
                }
                accepted = connection
            }
            let box = Unmanaged.passRetained(Box(body))
            pthread_create(
                &thread,
                nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
                    return nil
                },
                box.toOpaque()
            )
            return {
                pthread_join(thread, nil)
                return accepted
            }
        }
    }

    private final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// A pipe: its reading end stands for a signal.
    private struct Signal {
        let ends: [CInt]

        init() throws {
            var ends: [CInt] = [-1, -1]
            try #require(pipe(&ends) == 0)
            self.ends = ends
        }

        func raise() { _ = write(ends[1], "x", 1) }
        func close() { for end in ends { Glibc.close(end) } }
    }

    private static let offer = Array("bellhop-listeners 1\nnetwork n\n".utf8)

    private func lend(
        _ agent: Agent,
        _ signal: Signal,
        milliseconds: Int = 5_000
    ) throws(ListenerLease.Failure) -> ListenerLease {
        try ListenerLease(
            offer: Self.offer,
            descriptors: [signal.ends[1]],
            agentPath: agent.path,
            milliseconds: milliseconds,
            unlessReadable: signal.ends[0]
        )
    }

    private func isReadable(_ descriptor: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    @Test func acceptedSocketsAreLentUntilOneSideCloses() throws {
        let agent = try Agent()
        let signal = try Signal()
        defer { signal.close() }
        let accepted = agent.answer(.accepted)
        var lease: ListenerLease? = try lend(agent, signal)
        let connection = try #require(accepted())
        guard case .message(let bytes, let descriptors) = connection.receive(bytesMax: 4_096) else {
            Issue.record("no offer came")
            return
        }
        #expect(bytes == Self.offer)
        #expect(descriptors.count == 1)
        for descriptor in descriptors { close(descriptor) }
        #expect(!isReadable(try #require(lease).descriptor))
        // The proxy's end, in whatever way, is seen by the agent.
        lease = nil
        #expect(connection.receive(bytesMax: 16) == .ended)
        connection.close()
    }

    @Test func theAgentsEndMakesTheLeaseReadable() throws {
        let agent = try Agent()
        let signal = try Signal()
        defer { signal.close() }
        let accepted = agent.answer(.accepted)
        let lease = try lend(agent, signal)
        accepted()?.close()
        #expect(isReadable(lease.descriptor))
    }

    /// Before the offer, because of who we are, or after it.
    @Test(arguments: [ListenerReply.ready, .refused("this user may not")])
    func aRefusalCarriesItsReason(_ greeting: ListenerReply) throws {
        let agent = try Agent()
        let signal = try Signal()
        defer { signal.close() }
        let accepted = agent.answer(.refused("this user may not"), to: greeting)
        do throws(ListenerLease.Failure) {
            _ = try lend(agent, signal)
            Issue.record("no refusal")
        } catch {
            guard case .refused("this user may not") = error else {
                Issue.record("another failure: \(error)")
                return
            }
        }
        accepted()?.close()
    }

    @Test func nobodyThereIsSaidAtOnce() throws {
        let signal = try Signal()
        defer { signal.close() }
        do throws(ListenerLease.Failure) {
            _ = try ListenerLease(
                offer: Self.offer,
                descriptors: [],
                agentPath: "/tmp/bellhop-nobody-\(getpid())",
                milliseconds: 5_000,
                unlessReadable: signal.ends[0]
            )
            Issue.record("a lease from nobody")
        } catch {
            guard case .unavailable(ENOENT) = error else {
                Issue.record("another failure: \(error)")
                return
            }
        }
    }

    @Test func answersOutOfTurnAreRefusals() throws {
        let agent = try Agent()
        let signal = try Signal()
        defer { signal.close() }
        for (reply, greeting) in [(ListenerReply.ready, ListenerReply.ready), (.accepted, .accepted)] {
            let accepted = agent.answer(reply, to: greeting)
            #expect(throws: ListenerLease.Failure.self) { try lend(agent, signal) }
            accepted()?.close()
        }
    }

    /// A stopped agent still has a backlog, so the connection stands and no answer comes; nor do our sockets go there.
    @Test func anAgentThatHangsIsGivenUpAndASignalDoesNotWaitForIt() throws {
        let agent = try Agent()
        let signal = try Signal()
        defer { signal.close() }
        do throws(ListenerLease.Failure) {
            _ = try lend(agent, signal, milliseconds: 50)
            Issue.record("a lease from an agent that hangs")
        } catch {
            guard case .unavailable(ETIMEDOUT) = error else {
                Issue.record("another failure: \(error)")
                return
            }
        }
        signal.raise()
        do throws(ListenerLease.Failure) {
            _ = try lend(agent, signal, milliseconds: 600_000)
            Issue.record("a lease from an agent that hangs")
        } catch {
            guard case .interrupted = error else {
                Issue.record("another failure: \(error)")
                return
            }
        }
    }
}
