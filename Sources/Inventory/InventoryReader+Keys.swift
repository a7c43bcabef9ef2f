import MetadataModel

/// Key pairs and vendor data, which the file's top level and instances both have.
extension InventoryReader {
    /// `"ssh-ed25519 AAAA… alice@example"` or `{type: x509, data: …}`.
    func keyPair(_ name: String, _ place: Place) -> InstanceRecord.KeyPair? {
        var kind = InstanceRecord.KeyPair.Kind.ssh
        var source: Place? = place
        if place.isMapping, let section = place.section() {
            section.refuseKeys(otherThan: ["type", "data"])
            kind = section.find("type")?.choice(of: InstanceRecord.KeyPair.Kind.self) ?? .ssh
            source = section.require("data")
        }
        guard let source, var data = source.text() else { return nil }
        guard !data.contains("PRIVATE KEY") else {
            source.report("this is a private key; the public one belongs here")
            return nil
        }
        if kind == .ssh {
            while data.hasSuffix("\n") { data.removeLast() }
            guard !data.contains(where: \.isNewline), data.split(separator: " ").count >= 2 else {
                source.report("not a public key on one line, like \"ssh-ed25519 AAAA... alice@example\"")
                return nil
            }
        }
        return .init(name: name, kind: kind, data: data)
    }

    /// - Parameter base: what stays where this place says nothing; dynamic answers are merged by name.
    func readVendorData(_ place: Place, over base: InstanceRecord.VendorData) -> InstanceRecord.VendorData {
        guard let section = place.section() else { return base }
        section.refuseKeys(otherThan: ["static", "static_file", "dynamic"])
        section.refuseTogether(["static", "static_file"])
        var vendorData = base
        if let place = section.find("static") {
            vendorData.staticObject = place.isNone ? nil : object(place)
        } else if let place = section.find("static_file") {
            vendorData.staticObject = objectFile(place)
        }
        for (name, place) in section.find("dynamic")?.section()?.named() ?? [] {
            guard name != "static" else {
                place.report("the name \"static\" is taken by the static vendor data")
                continue
            }
            let member = JSONValue.Member(name: name, value: JSONValue(place.node))
            if let index = vendorData.dynamic.firstIndex(where: { $0.name == name }) {
                vendorData.dynamic[index] = member
            } else {
                vendorData.dynamic.append(member)
            }
        }
        return vendorData
    }

    private func object(_ place: Place) -> JSONValue {
        guard place.isMapping else {
            place.report("not a mapping; \"none\" turns vendor_data.json off")
            return .object([])
        }
        return JSONValue(place.node)
    }

    /// JSON is read as the YAML that it is, which keeps the order of its members.
    private func objectFile(_ place: Place) -> JSONValue {
        guard let bytes = file(named: place) else { return .object([]) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            place.report("the file is not UTF-8 text")
            return .object([])
        }
        let found = ProblemList(file: place.text() ?? "")
        let root = YAMLDocument.compose(text, problems: found)
        if let root, Place(node: root, path: "", problems: found).isMapping { return JSONValue(root) }
        if found.isEmpty { place.report("the file does not hold a JSON object") }
        problems.add(found)
        return .object([])
    }
}
