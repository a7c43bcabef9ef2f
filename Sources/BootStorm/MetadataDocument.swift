import FoundationEssentials

/// What a guest needs of `meta_data.json` to go on.
struct MetadataDocument: Equatable {
    /// Without it the boot fails at its very end.
    var instanceID: String?
    /// Where the injected files are, and at last the old network configuration, below `/openstack/`.
    var contentPaths: [String]
}

extension MetadataDocument {
    private struct Item: Decodable {
        enum CodingKeys: String, CodingKey {
            case path
            case contentPath = "content_path"
        }

        var path: String?
        var contentPath: String?
    }

    private struct Fields: Decodable {
        enum CodingKeys: String, CodingKey {
            case uuid
            case files
            case networkConfig = "network_config"
        }

        var uuid: String?
        var files: [Item]?
        var networkConfig: Item?
    }

    /// Nil if the guest would call it broken: not JSON, not an object, or an item without a place.
    init?(_ bytes: [UInt8]) {
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(bytes)) else { return nil }
        var items = (fields.files ?? []).filter { $0.path != nil }
        if let network = fields.networkConfig { items.append(network) }
        var paths: [String] = []
        for item in items {
            let pieces = (item.contentPath ?? "").split(separator: "/")
            guard !pieces.isEmpty else { return nil }
            paths.append(pieces.joined(separator: "/"))
        }
        self.init(instanceID: fields.uuid, contentPaths: paths)
    }

    /// Whether the bytes are what cloud-init takes for vendor data and network data: an object, a list or a text.
    static func isJSON(_ bytes: [UInt8]) -> Bool {
        (try? JSONDecoder().decode(AnyRoot.self, from: Data(bytes))) != nil
    }

    private struct AnyRoot: Decodable {
        private struct AnyKey: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init?(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            if (try? decoder.container(keyedBy: AnyKey.self)) != nil { return }
            if (try? decoder.unkeyedContainer()) != nil { return }
            _ = try decoder.singleValueContainer().decode(String.self)
        }
    }
}
