import OsloConfig
import OsloMessaging
import Testing

@testable import MetadataAgent

/// `transport_url` and `[oslo_messaging_rabbit]` as the message bus gets them.
@Suite struct MessagingSettingsTests {
    private func settings(_ text: String) throws -> MessagingSettings {
        try ConfiguredMessaging(AgentFiles().load(text)).settings
    }

    private func refusal(_ text: String) throws -> String? {
        let configuration = try AgentFiles().load(text)
        do throws(AgentSettingsError) {
            _ = try ConfiguredMessaging(configuration)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func defaultsAreThoseOfTheReference() throws {
        let settings = try settings("[DEFAULT]\ntransport_url = rabbit://u:p@ctl")
        #expect(settings.brokers == [.init(host: "ctl", port: 5_672, user: "u", password: "p")])
        #expect(settings.virtualHost == "/")
        #expect(settings.exchange == "neutron")
        #expect(settings.mechanism == .amqplain)
        #expect(settings.tls == nil)
        #expect(settings.heartbeatTimeout == .seconds(60))
        #expect(settings.heartbeatRate == 3)
        #expect(!settings.isExchangeDurable && !settings.isExchangeAutoDeleted)
        #expect(settings.replyQueue.fixedName == nil)
        #expect(settings.replyQueue.lifetimeSeconds == 1_800)
    }

    @Test func heartbeatsAreAsOftenAndAsPatientAsConfigured() throws {
        let text = "[oslo_messaging_rabbit]\nheartbeat_timeout_threshold = 30\nheartbeat_rate = 2"
        let settings = try settings(text)
        #expect(settings.heartbeatTimeout == .seconds(30))
        #expect(settings.heartbeatRate == 2)
    }

    // Releases from Zed on spelled the two options so, and files that were written for them are still about.
    @Test(arguments: ["quroum", "quorum"])
    func limitsOfQuorumQueuesAreTakenInBothSpellings(spelling: String) throws {
        let queue = try settings(
            """
            [oslo_messaging_rabbit]
            rabbit_transient_quorum_queue = true
            rabbit_\(spelling)_max_memory_length = 100
            rabbit_\(spelling)_max_memory_bytes = 1000
            """
        ).replyQueue
        #expect(queue.memoryMessagesMax == 100)
        #expect(queue.memoryBytesMax == 1_000)
    }

    @Test func schemeThatAsksForTLSIsNotConnectedWithoutIt() throws {
        let refusal = try refusal("[DEFAULT]\ntransport_url = amqps://u:s3cret@ctl:5671/")
        #expect(refusal?.contains("ssl = true") == true)
        #expect(refusal?.contains("s3cret") == false)
        #expect(try settings("[DEFAULT]\ntransport_url = rabbit://u:p@ctl/?ssl=true").tls != nil)
    }
}
