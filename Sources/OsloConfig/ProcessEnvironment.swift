/// The environment this process was started with.
///
/// Read from `/proc`, because the C library's `environ` is a mutable global that Swift 6 rightly refuses.
public enum ProcessEnvironment {
    /// Empty if `/proc` is not mounted. Entries that are not UTF-8 are left out; the first of two equal names counts.
    public static func read() -> [String: String] {
        guard let bytes = try? TextFile.read("/proc/self/environ") else { return [:] }
        return parse(bytes)
    }

    static func parse(_ bytes: [UInt8]) -> [String: String] {
        var environment: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let separator = entry.firstIndex(of: UInt8(ascii: "=")),
                let name = String(validating: entry[..<separator], as: UTF8.self),
                let value = String(validating: entry[(separator + 1)...], as: UTF8.self),
                environment[name] == nil
            else { continue }
            environment[name] = value
        }
        return environment
    }
}
