import RelayLoop
import RequestPath
import Testing

@testable import MetadataAgent

/// `[metadata_rate_limiting]` and `[bellhop] guest_limits` as the request path gets them.
@Suite struct GuestLimitSettingsTests {
    private func settings(_ text: String) throws -> GuestLimits.Settings {
        try GuestLimits.Settings(AgentFiles().load(text))
    }

    private func window(_ seconds: Double, _ requests: UInt32) -> RateLimiter.Window {
        RateLimiter.Window(period: .seconds(seconds), requestsMax: requests)
    }

    @Test func nothingIsLimitedByDefault() throws {
        #expect(try settings("[DEFAULT]\n").isEmpty)
    }

    @Test func neutronsDefaultsAreTenRequestsInTenSecondsTwice() throws {
        let rates = try settings("[metadata_rate_limiting]\nrate_limit_enabled = true\n").rates
        #expect(rates == [GuestLimits.Rate(windows: [window(10, 10), window(10, 10)], families: .ipv4)])
    }

    @Test func bothVersionsAndBothWindowsAreUnderstood() throws {
        let text = """
            [metadata_rate_limiting]
            rate_limit_enabled = true
            ip_versions = 4, 6
            base_window_duration = 60
            base_query_rate_limit = 100
            burst_window_duration = 5
            burst_query_rate_limit = 50
            """
        let rates = try settings(text).rates
        #expect(rates == [GuestLimits.Rate(windows: [window(60, 100), window(5, 50)], families: [.ipv4, .ipv6])])
    }

    @Test func thePresetAndNeutronsRatesAddUp() throws {
        let text = "[bellhop]\nguest_limits = standard\n[metadata_rate_limiting]\nrate_limit_enabled = yes\n"
        let both = try settings(text)
        #expect(both.rates.count == 2)
        #expect(both.connectionsMax == GuestLimits.Settings.standard.connectionsMax)
    }

    @Test func anImpossibleVersionIsNamed() throws {
        #expect(throws: AgentSettingsError.self) {
            try settings("[metadata_rate_limiting]\nrate_limit_enabled = true\nip_versions = 5\n")
        }
    }
}
