import InstanceDirectory

/// One page of a list of ports, as `GET /v2.0/ports` answers.
struct PortPage: Decodable {
    private struct Link: Decodable {
        var rel: String?
        var href: String?
    }

    var ports: [PortRecord]
    /// Where the next page is, as the server puts it; nil on the last page.
    var nextHref: String?

    private enum CodingKeys: String, CodingKey {
        case ports
        case links = "ports_links"
    }

    init(from decoder: any Decoder) throws {
        let page = try decoder.container(keyedBy: CodingKeys.self)
        ports = try page.decode([PortRecord].self, forKey: .ports)
        let links = try page.decodeIfPresent([Link].self, forKey: .links) ?? []
        nextHref = links.first { $0.rel == "next" }?.href
    }
}

/// Leads from page to page of one list, and ends it if the server does not.
///
/// Only the **query** of a `next` link is used, on the address the first page came from: a link to another
/// host (a misconfigured proxy, or worse) must not receive the admin token.
struct PortPages {
    private let pagesMax: Int
    private var seen: Set<String>

    init(firstQuery: String, pagesMax: Int) {
        self.pagesMax = pagesMax
        seen = [firstQuery]
    }

    /// The query of the page behind `page`, or nil if that was the last.
    ///
    /// - Throws: `.malformedReply` for a link without a usable query, a page shown before, or too many pages.
    mutating func query(after page: PortPage) throws(DirectoryError) -> String? {
        guard let href = page.nextHref else { return nil }
        let link = href.prefix { $0 != "#" }
        guard let mark = link.firstIndex(of: "?") else {
            throw DirectoryError(.malformedReply, "Neutron's link to the next page of ports has no query.")
        }
        let query = String(link[link.index(after: mark)...])
        guard !query.isEmpty, query.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw DirectoryError(.malformedReply, "Neutron's link to the next page of ports is not a URL.")
        }
        guard seen.insert(query).inserted else {
            throw DirectoryError(.malformedReply, "Neutron's pages of ports go round in a circle.")
        }
        guard seen.count <= pagesMax else {
            throw DirectoryError(.malformedReply, "Neutron's list of ports has more than \(pagesMax) pages.")
        }
        return query
    }
}
