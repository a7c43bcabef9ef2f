import MetadataModel

extension ConfigReader {
    /// `http-request` and one of the actions that the agents write: headers that say where a request comes from, and
    /// counting with a limit.
    mutating func readHTTPRequest(_ arguments: ArraySlice<String>, _ proxy: inout ProxySection) throws(Fault) {
        guard let action = arguments.first else {
            throw Fault(.badArgument, "'http-request' expects an action, for example 'set-header'.")
        }
        let rest = arguments.dropFirst()
        switch action {
        case "add-header", "set-header": try readIdentity(action, rest, &proxy)
        case "del-header":
            // No header of a guest's is passed on that could name a network, an instance or an address, so whatever
            // is to be deleted is gone already.
            guard let name = rest.first, !name.isEmpty else {
                throw Fault(.badArgument, "'http-request del-header' expects the name of a header.")
            }
            try expect("http-request del-header", rest, atMost: 1)
        case "track-sc0", "track-sc1", "track-sc2": try readTrack(action, rest, &proxy)
        case "deny": try readDenial(rest, &proxy)
        default:
            throw Fault(
                .unsupported,
                "'http-request' supports 'set-header', 'add-header', 'del-header', 'track-sc0' to 'track-sc2' and 'deny' "
                    + "here, but got \(quoted(action))."
            )
        }
    }

    /// `NAME ID`.
    ///
    /// Adding and setting are one thing here: guests' own copies never get through, although the OVN agents of all
    /// releases and the others before Ussuri only added (LP 1865036).
    private mutating func readIdentity(
        _ action: String,
        _ arguments: ArraySlice<String>,
        _ proxy: inout ProxySection
    ) throws(Fault) {
        guard arguments.count >= 2, let name = arguments.first, let value = arguments.dropFirst().first else {
            throw Fault(.badArgument, "'http-request \(action)' expects the name of a header and its value.")
        }
        try expect("http-request \(action)", arguments, atMost: 2)
        let make: (ResourceID) -> Scope
        let family: HaproxyPlan.HeaderFamily
        switch name.lowercased() {
        case "x-neutron-network-id": (make, family) = ({ .network($0) }, .neutron)
        case "x-neutron-router-id": (make, family) = ({ .router($0) }, .neutron)
        case "x-ovn-network-id": (make, family) = ({ .network($0) }, .ovn)
        default:
            throw Fault(
                .unsupported,
                "'http-request \(action)' is for X-Neutron-Network-ID, X-Neutron-Router-ID and X-OVN-Network-ID here, but "
                    + "got \(quoted(name))."
            )
        }
        // A % begins a variable of haproxy's; ids have none.
        guard !value.contains("%"), let id = ResourceID(value) else {
            throw Fault(
                .badArgument,
                "\(quoted(value)) is no id for \(name); ids are 1 to \(ResourceID.byteCountMax) visible ASCII characters "
                    + "without '%'."
            )
        }
        if let first = proxy.identities.first {
            throw Fault(
                .badArgument,
                "\(name) \(id) is the second network or router, line \(first.line) has \(first.scope); a proxy serves one."
            )
        }
        proxy.identities.append(ProxySection.Identity(scope: make(id), family: family, line: line))
    }

    /// `src [table NAME]`.
    private func readTrack(
        _ action: String,
        _ arguments: ArraySlice<String>,
        _ proxy: inout ProxySection
    ) throws(Fault) {
        let words = Array(arguments)
        guard words.first == "src", words.count == 1 || words.count == 3 && words[1] == "table" else {
            throw Fault(.unsupported, "'http-request \(action)' supports 'src table NAME' only.")
        }
        proxy.tracks.append(ProxySection.Track(table: words.count == 3 ? words[2] : proxy.name, line: line))
    }

    /// `deny_status 429 if { src_http_req_rate(TABLE) gt N }`.
    private func readDenial(_ arguments: ArraySlice<String>, _ proxy: inout ProxySection) throws(Fault) {
        var rest = arguments
        // haproxy's own default is 403.
        var status = 403
        if rest.first == "deny_status" {
            rest.removeFirst()
            let word = rest.popFirst() ?? ""
            status = try ConfigNumber.read(word, "http-request deny deny_status", in: 200...599)
        }
        guard status == 429 else {
            throw Fault(
                .unsupported,
                "'http-request deny' answers \(status); a guest that asks too often is told so here with "
                    + "'deny_status 429' only."
            )
        }
        let words = Array(rest)
        let fetch = "src_http_req_rate"
        guard words.count == 6, words[0] == "if", words[1] == "{", words[5] == "}", words[2].hasPrefix(fetch) else {
            throw Fault(
                .unsupported,
                "'http-request deny' supports the condition 'if { \(fetch)(TABLE) gt NUMBER }' only."
            )
        }
        let table = words[2].dropFirst(fetch.count)
        guard table.isEmpty || table.hasPrefix("(") && table.hasSuffix(")") && table.count > 2 else {
            throw Fault(.badArgument, "'http-request deny' : \(quoted(words[2])) is no '\(fetch)(TABLE)'.")
        }
        let count = try ConfigNumber.read(words[4], "http-request deny … \(words[3])", in: 0...Int(UInt32.max))
        let requestsMax: Int
        switch words[3] {
        case "gt": requestsMax = count
        case "ge" where count > 0: requestsMax = count - 1
        default:
            throw Fault(
                .unsupported,
                "'http-request deny' supports 'gt' and 'ge' with a number above it, but got "
                    + "\(quoted(words[3]))."
            )
        }
        proxy.denials.append(
            ProxySection.Denial(
                table: table.isEmpty ? proxy.name : String(table.dropFirst().dropLast()),
                requestsMax: requestsMax,
                tracksBefore: proxy.tracks.count,
                line: line
            )
        )
    }

    /// `type ip|ipv6 size N [expire T] [nopurge] [store http_req_rate(T)[,…]]`.
    mutating func readTable(_ arguments: ArraySlice<String>) throws(Fault) -> ProxySection.Table {
        var family: HaproxyRateLimit.AddressFamily?
        var entriesMax: Int?
        var expiry: Int?
        var rate: Int?
        var rest = arguments
        while let word = rest.popFirst() {
            switch word {
            case "nopurge":
                note("'stick-table … nopurge' is ignored.")
                continue
            case "type", "size", "expire", "store": break
            case "peers", "srvkey", "write-to":
                throw Fault(.unsupported, "'stick-table … \(word)' is not implemented here.")
            default:
                throw Fault(.unknownKeyword, "stick-table: unknown argument \(quoted(word)).")
            }
            guard let value = rest.popFirst() else {
                throw Fault(.badArgument, "stick-table: missing argument after '\(word)'.")
            }
            switch word {
            case "type":
                switch value {
                case "ip": family = .ipv4
                case "ipv6": family = .ipv6
                default:
                    throw Fault(.unsupported, "stick-table: type \(quoted(value)) is not 'ip' or 'ipv6'.")
                }
            case "size": entriesMax = try ConfigNumber.size(value, "stick-table size")
            case "expire":
                let time = try ConfigNumber.milliseconds(value, "stick-table expire")
                expiry = time > 0 ? time : nil
            default: rate = try readStore(value) ?? rate
            }
        }
        guard let family else { throw Fault(.badArgument, "stick-table: missing type.") }
        guard let entriesMax else { throw Fault(.badArgument, "stick-table: missing size.") }
        return ProxySection.Table(
            family: family,
            entriesMax: entriesMax,
            expiryMilliseconds: expiry,
            rateMilliseconds: rate
        )
    }

    /// What is kept per address; only the rate of requests is ever asked for.
    private mutating func readStore(_ list: String) throws(Fault) -> Int? {
        var rate: Int?
        for item in list.split(separator: ",") {
            let prefix = "http_req_rate("
            guard item.hasPrefix(prefix) else {
                note("'stick-table … store \(item)' is ignored.")
                continue
            }
            guard item.hasSuffix(")") else {
                throw Fault(.badArgument, "stick-table: missing ')' in \(quoted(String(item))).")
            }
            let period = try ConfigNumber.milliseconds(
                String(item.dropFirst(prefix.count).dropLast()),
                "stick-table store http_req_rate"
            )
            guard period > 0 else {
                throw Fault(.badArgument, "stick-table: the period of 'http_req_rate' is 0; write a time such as 10s.")
            }
            rate = period
        }
        return rate
    }
}
