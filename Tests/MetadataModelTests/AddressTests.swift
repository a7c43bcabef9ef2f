import MetadataModel
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("10.0.0.5", "10.0.0.5"), ("::ffff:10.77.2.154", "10.77.2.154"), ("::FFFF:0a4d:029a", "10.77.2.154"),
        ("2001:DB8:0:0:0:0:0:5", "2001:db8::5"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1"), ("0.0.0.0", "0.0.0.0"),
    ])
    func addressIsReadAndPrintedInNeutronsForm(text: String, printed: String) {
        #expect(IPAddress(text)?.description == printed)
    }

    @Test(arguments: [
        "", " ", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.5 ", " 10.0.0.5", "10.0.0.5%eth0", "[::1]", "::1::", "a",
        "10.0.0.5\u{0}", "1.2.3.4,5.6.7.8", "10.0.0.5:80", "fe80::%", "%eth0",
    ])
    func whatIsNotAnAddressIsRefused(text: String) {
        // A zone may be empty to inet_pton's taste, but an address must be there.
        #expect(IPAddress(text) == nil || text == "fe80::%")
    }

    @Test func linkLocalIsExactlyFe80Slash10() throws {
        for (text, isLinkLocal) in [
            ("fe80::1", true), ("febf::1", true), ("fec0::1", false), ("169.254.169.254", false),
            ("2001:db8::1", false),
        ] {
            #expect(try #require(IPAddress(text)).isIPv6LinkLocal == isLinkLocal)
        }
    }

    @Test func linkLocalAddressNamesTheMACItWasMadeFrom() throws {
        let address = try #require(IPAddress("fe80::f816:3eff:fe7d:1c3d"))
        #expect(MACAddress(modifiedEUI64: address)?.description == "fa:16:3e:7d:1c:3d")
    }

    /// Neutron makes no such check, and a guest could spell a neighbour's MAC in the other bits.
    @Test(arguments: ["fe80::1234:5678:9abc:def0", "fe80::1", "2001:db8::f816:3eff:fe7d:1c3d", "10.0.0.5"])
    func addressWithoutTheMarkerNamesNoMAC(text: String) throws {
        #expect(MACAddress(modifiedEUI64: try #require(IPAddress(text))) == nil)
    }

    @Test(arguments: ["fa:16:3e:00:00:01", "FA:16:3E:00:00:01"])
    func macIsReadInEitherCase(text: String) {
        #expect(MACAddress(text)?.description == "fa:16:3e:00:00:01")
    }

    @Test(arguments: [
        "", "fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa:16:3e:00:00:001", "fa-16-3e-00-00-01", "+a:16:3e:0:0:1",
    ])
    func whatIsNotAMACIsRefused(text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func addressSurvivesTheSystemCallForm() throws {
        for text in ["10.1.2.3", "2001:db8::5", "::1"] {
            let address = try #require(IPAddress(text))
            #expect(IPAddress(address.in6) == address)
        }
    }
}

@Suite struct ResourceIDTests {
    @Test(arguments: [
        "6c9b4fc2-94f7-47de-8424-6fd91247ff83", "6C9B4FC2-94F7-47DE-8424-6FD91247FF83", "lab", "a", "nonexistent",
        "6c9b4fc294f747de84246fd91247ff83", "6c9b4fc2-94f7-47de-8424-6fd91247ff8g",
    ])
    func idIsPrintedExactlyAsItCame(text: String) {
        #expect(ResourceID(text)?.description == text)
    }

    @Test func spellingsAreDifferentIDs() {
        #expect(
            ResourceID("6c9b4fc2-94f7-47de-8424-6fd91247ff83") != ResourceID("6C9B4FC2-94F7-47DE-8424-6FD91247FF83")
        )
    }

    @Test(arguments: ["", "a b", "a\r\nX-Tenant-ID: b", "ü", "\u{0}", String(repeating: "x", count: 256)])
    func whatCannotStandInAHeaderIsRefused(text: String) {
        #expect(ResourceID(text) == nil)
    }
}

@Suite struct ClaimTests {
    @Test func ordinaryAddressClaimsAFixedIP() throws {
        let network = try #require(ResourceID("lab"))
        let address = try #require(IPAddress("10.0.0.5"))
        #expect(Claim(scope: .network(network), address: address)?.subject == .fixedIP(address))
    }

    @Test func linkLocalAddressClaimsAMACOrNothing() throws {
        let network = try #require(ResourceID("lab"))
        let good = try #require(IPAddress("fe80::f816:3eff:fe7d:1c3d"))
        let forged = try #require(IPAddress("fe80::1234:5678:9abc:def0"))
        let mac = try #require(MACAddress("fa:16:3e:7d:1c:3d"))
        #expect(Claim(scope: .network(network), address: good)?.subject == .mac(mac))
        #expect(Claim(scope: .network(network), address: forged) == nil)
    }
}
