import MetadataModel
import Testing

@testable import NovaBackend

@Suite struct BackendEndpointTests {
    @Test(arguments: [
        ("http", "127.0.0.1", 8775, "127.0.0.1:8775"),
        ("http", "nova.example", 8775, "nova.example:8775"),
        ("http", "nova.example", 80, "nova.example"),
        ("https", "nova.example", 80, "nova.example:80"),
        ("https", "nova.example", 443, "nova.example"),
        ("http", "nova.example.", 8775, "nova.example:8775"),
        ("http", "controller", 8775, "controller:8775"),
        ("http", "1.2.3.com", 8775, "1.2.3.com:8775"),
        // LP 1796593: an IPv6 address needs brackets, and gets its canonical spelling.
        ("http", "2001:DB8:0::1", 8775, "[2001:db8::1]:8775"),
        ("https", "::1", 443, "[::1]"),
        ("http", "[::1]", 8775, "[::1]:8775"),
        ("http", "::ffff:192.0.2.1", 8775, "192.0.2.1:8775"),
    ])
    func hostHeaderNamesHostAndPort(scheme: String, host: String, port: Int, expected: String) throws {
        let endpoint = try BackendEndpoint(scheme: scheme, host: host, port: port)
        #expect(String(decoding: endpoint.hostHeader, as: UTF8.self) == expected)
        #expect(endpoint.isSecure == (scheme == "https"))
    }

    @Test(arguments: [
        "", ".", "http://nova.example", "nova.example:8775", "nova_api", "-a", "a-", "a..b", "999.1.1.1", "1.2.3",
        "nova.example/", "nova example", "[127.0.0.1]", "[::1", "fe80::1%eth0", "nøva", "a\r\nX-Evil: 1", "nova\0",
        String(repeating: "a", count: 64), String(repeating: "abcd.", count: 51) + "abc",
    ])
    func unusableHostIsRefused(host: String) {
        #expect(throws: BackendEndpointError(.host, host)) {
            try BackendEndpoint(scheme: "http", host: host, port: 8775)
        }
    }

    @Test func longestHostNameIsAccepted() throws {
        let name = String(repeating: "abcd.", count: 50) + "abc"
        #expect(name.utf8.count == 253)
        #expect(try BackendEndpoint(scheme: "http", host: name, port: 1).host == .name(name, port: 1))
    }

    @Test(arguments: [-1, 0, 65_536]) func portOutsideItsRangeIsRefused(port: Int) {
        #expect(throws: BackendEndpointError(.port, String(port))) {
            try BackendEndpoint(scheme: "http", host: "nova", port: port)
        }
    }

    @Test(arguments: ["", "HTTP", "ftp", "https "]) func onlyHttpAndHttpsAreSchemes(scheme: String) {
        #expect(throws: BackendEndpointError(.scheme, scheme)) {
            try BackendEndpoint(scheme: scheme, host: "nova", port: 1)
        }
    }

    @Test func errorNamesTheOption() {
        let error = BackendEndpointError(.host, "http://x")
        #expect(error.option == "nova_metadata_host")
        #expect("\(error)".hasPrefix("nova_metadata_host: 'http://x' is neither"))
    }

    @Test func unixSocketIsPlainHttpToLocalhost() throws {
        let endpoint = try BackendEndpoint(unixPath: "/run/bellhop/nova")
        #expect(endpoint.hostHeader == Array("localhost".utf8))
        #expect(!endpoint.isSecure)
        #expect("\(endpoint)" == "unix:/run/bellhop/nova")
    }

    @Test func unixPathHasTheKernelsLimit() throws {
        let longest = "/" + String(repeating: "a", count: 106)
        _ = try BackendEndpoint(unixPath: longest)
        for path in [longest + "a", "relative", "", "/a\0b"] {
            #expect(throws: BackendEndpointError(.path, path)) { try BackendEndpoint(unixPath: path) }
        }
    }
}
