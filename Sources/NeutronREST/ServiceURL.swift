import InstanceDirectory

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The address of an HTTP service from an option or a catalog: checked, and without trailing slashes.
struct ServiceURL: Hashable, Sendable {
    let text: String

    /// - Throws: `.misconfigured`, naming `origin`, unless it is an `http` or `https` URL with a host and
    ///   without query or fragment.
    init(_ text: String, from origin: String) throws(DirectoryError) {
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = url.host(), !host.isEmpty, url.query() == nil, url.fragment() == nil,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw DirectoryError(.misconfigured, "\(origin) is not an http or https URL. Correct it.")
        }
        guard url.user() == nil, url.password() == nil else {
            throw DirectoryError(.misconfigured, "\(origin) holds credentials in the URL. Use the admin_* options.")
        }
        var trimmed = Substring(text)
        while trimmed.hasSuffix("/") { trimmed.removeLast() }
        self.text = String(trimmed)
    }

    private init(unchecked text: String) {
        self.text = text
    }

    /// With a path that begins with a slash, and maybe a query.
    func appending(_ path: String) -> String { text + path }

    func hasLastComponent(_ component: String) -> Bool { text.hasSuffix("/\(component)") }

    /// With `component` at the end exactly once, in place of `other` if that is there.
    func ending(in component: String, insteadOf other: String? = nil) -> ServiceURL {
        if hasLastComponent(component) { return self }
        if let other, hasLastComponent(other) {
            return ServiceURL(unchecked: text.dropLast(other.utf8.count) + component)
        }
        return ServiceURL(unchecked: "\(text)/\(component)")
    }
}

extension ServiceURL: CustomStringConvertible {
    var description: String { text }
}
