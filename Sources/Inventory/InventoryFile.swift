import MetadataModel

/// The YAML file of a lab. `examples/lab.yaml` shows every key.
///
/// Reading is all or nothing: a file with one mistake gives no inventory, and the error lists all of them
/// with file, line and key. Files named in it are looked for beside it.
public enum InventoryFile {
    /// Reads the file at `path`, at most 16 MiB, and the files it names, of at most as much each.
    public static func load(path: String) throws(InventoryError) -> Inventory {
        let problems = ProblemList(file: path)
        let bytes: [UInt8]
        do {
            bytes = try BoundedFile.read(path)
        } catch {
            problems.add(line: nil, path: "", error.message)
            throw problems.error(.unreadable)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            problems.add(line: nil, path: "", "is not UTF-8 text")
            throw problems.error(.notYAML)
        }
        return try parse(text, path: path)
    }

    /// Reads a text that came from elsewhere.
    ///
    /// - Parameter path: names the text in errors; files named in the text are looked for beside it.
    public static func parse(_ text: String, path: String) throws(InventoryError) -> Inventory {
        let problems = ProblemList(file: path)
        guard text.utf8.count <= BoundedFile.bytesMax else {
            problems.add(line: nil, path: "", "is larger than \(BoundedFile.bytesMax >> 20) MiB")
            throw problems.error(.unreadable)
        }
        let root = YAMLDocument.compose(text, problems: problems)
        guard problems.isEmpty else { throw problems.error(.notYAML) }
        let place = root.map { Place(node: $0, path: "", problems: problems) }
        guard let place, place.isMapping, let top = place.section() else {
            problems.add(line: 1, path: "", "describes no lab: expected keys like \"networks\" and \"instances\"")
            throw problems.error(.invalid)
        }
        let reader = InventoryReader(directory: directory(of: path), problems: problems)
        let inventory = reader.read(top)
        guard problems.isEmpty else { throw problems.error(.invalid) }
        return inventory
    }

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }
}
