import Inventory

/// `/openstack`: which document answers which path.
extension MetadataTree {
    func openStack(
        _ elements: ArraySlice<String>,
        _ request: MetadataRequest,
        today: UTCDay,
        passwords: any PasswordStore,
        random: inout some RandomNumberGenerator
    ) throws(PasswordStoreError) -> MetadataAnswer {
        guard let first = elements.first else { return .text(OpenStackVersion.list(today: today)) }
        if first == "content" { return content(elements.dropFirst()) }
        guard let version = OpenStackVersion(element: first) else { return .notFound }
        switch elements.dropFirst().joined(separator: "/") {
        case "", "version":
            return .text(fileNames(version).joined(separator: "\n"))
        case "meta_data.json":
            return .json(metaData(version, random: &random))
        case "user_data":
            return instance.userData.map { .text($0) } ?? .notFound
        case "password" where version >= .grizzly:
            return try password(request, in: passwords)
        case "vendor_data.json" where version >= .havana:
            return instance.vendorData.staticObject.map { .json($0) } ?? .notFound
        case "network_data.json":
            // Nova forgets to set the type here, and lists the file only from Liberty on.
            return .text(networkData.pythonText)
        case "vendor_data2.json" where version >= .newton2:
            return .json(vendorData2)
        default:
            return .notFound
        }
    }

    private func fileNames(_ version: OpenStackVersion) -> [String] {
        var names = ["meta_data.json"]
        if instance.userData != nil { names.append("user_data") }
        if version >= .grizzly { names.append("password") }
        if version >= .havana { names.append("vendor_data.json") }
        if version >= .liberty { names.append("network_data.json") }
        if version >= .newton2 { names.append("vendor_data2.json") }
        return names
    }

    private var vendorData2: JSONValue {
        let fixed = instance.vendorData.staticObject.map { [JSONValue.Member(name: "static", value: $0)] } ?? []
        return .object(fixed + instance.vendorData.dynamic)
    }

    // MARK: Contents

    /// What `/openstack/content` numbers: the network template first, then the injected files.
    private var contents: [[UInt8]] {
        (instance.networkConfig.map { [$0] } ?? []) + instance.files.map(\.content)
    }

    private func content(_ elements: ArraySlice<String>) -> MetadataAnswer {
        guard elements.count == 1, let name = elements.first,
            let number = contents.indices.first(where: { Self.contentName($0) == name })
        else { return .notFound }
        return .text(contents[number])
    }

    /// `0000`, `0001`, …
    static func contentName(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
