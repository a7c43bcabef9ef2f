/// A part of the EC2 tree: a directory, which is answered with its listing, or a value.
indirect enum EC2Node {
    case directory([String: EC2Node])
    /// A directory that its parent lists as `label` instead of as `name/`: `public-keys/` prints `0=alice`.
    case labelled(String, [String: EC2Node])
    /// One text per line. Nothing is below a list: Nova fails with 500 where one of its items is asked for.
    case list([String])
    case value([UInt8])

    static func text(_ text: String) -> EC2Node { .value(Array(text.utf8)) }

    /// The node at `path`, nil if there is none.
    func find(_ path: some Collection<String>) -> EC2Node? {
        guard let first = path.first else { return self }
        switch self {
        case .directory(let entries), .labelled(_, let entries):
            return entries[first]?.find(path.dropFirst())
        case .list, .value:
            return nil
        }
    }

    /// What a request for the node gets: without a final newline, like every text of this tree.
    var content: [UInt8] {
        switch self {
        case .value(let bytes): bytes
        case .list(let lines): Array(lines.joined(separator: "\n").utf8)
        case .directory(let entries), .labelled(_, let entries): Array(Self.listing(entries).utf8)
        }
    }

    /// Sorted as bytes, by name and not by label.
    private static func listing(_ entries: [String: EC2Node]) -> String {
        entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { name, node in
                switch node {
                case .directory: "\(name)/"
                case .labelled(let label, _): label
                case .list, .value: name
                }
            }
            .joined(separator: "\n")
    }
}
