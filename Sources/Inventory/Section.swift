import Yams

/// A mapping of the file: either with fixed keys (`cidr`, `gateway`, …) or with names as keys (`networks`).
struct Section {
    let place: Place
    private let entries: [(key: String, keyLine: Int?, value: Node)]
    private let index: [String: Int]

    init(_ place: Place, _ mapping: Node.Mapping) {
        self.place = place
        var entries: [(key: String, keyLine: Int?, value: Node)] = []
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                place.problems.add(line: key.mark?.line, path: place.path, "a key must be text")
                continue
            }
            entries.append((scalar.string, scalar.mark?.line, value))
        }
        self.entries = entries
        index = Dictionary(entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The key is there, perhaps with `null`.
    func has(_ key: String) -> Bool { index[key] != nil }

    /// The value of a fixed key. Nil if the key is left out or its value is null.
    func find(_ key: String) -> Place? {
        guard let entry = index[key].map({ entries[$0] }) else { return nil }
        let path = place.path.isEmpty ? key : "\(place.path).\(key)"
        let found = Place(node: entry.value, path: path, problems: place.problems)
        return found.isNull ? nil : found
    }

    /// Like `find`, and reports a key that is missing.
    func require(_ key: String) -> Place? {
        if let found = find(key) { return found }
        place.report("\"\(key)\" is missing")
        return nil
    }

    /// Entries with names as keys, in the order of the file. Names stand in ids, paths and log lines.
    func named() -> [(name: String, place: Place)] {
        entries.compactMap { key, keyLine, value in
            let path = "\(place.path)[\(key)]"
            guard (1...255).contains(key.utf8.count),
                key.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else {
                place.problems.add(line: keyLine, path: place.path, "not a name: \(Place.quote(key))")
                return nil
            }
            return (key, Place(node: value, path: path, problems: place.problems))
        }
    }

    /// Reports every key that is not one of `keys`, with the one that may have been meant.
    func refuseKeys(otherThan keys: [String]) {
        for entry in entries where !keys.contains(entry.key) {
            let meant = NearestName.suggestion(for: entry.key, among: keys)
            let hint = meant.map { "did you mean \"\($0)\"?" } ?? "known are \(keys.joined(separator: ", "))"
            let path = place.path.isEmpty ? entry.key : "\(place.path).\(entry.key)"
            place.problems.add(line: entry.keyLine, path: path, "unknown key, \(hint)")
        }
    }

    /// Reports keys that say the same thing in two ways.
    func refuseTogether(_ keys: [String]) {
        let present = keys.filter(has)
        guard present.count > 1 else { return }
        place.report("only one of \(present.joined(separator: ", ")) can be given")
    }
}
