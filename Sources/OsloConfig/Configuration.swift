/// The values of a program's options after everything was read and found valid.
///
/// Asking for an option that is not in the program's table is a mistake in the program: debug builds stop,
/// release builds answer as if it were unset.
public struct Configuration: Sendable {
    /// What is to be logged once logging is up: uses of deprecated names, options without effect.
    public let warnings: [String]
    /// Every file that was read, in the order in which they were read.
    public let configFiles: [String]
    /// The directories whose files are among `configFiles`.
    public let configDirectories: [String]
    /// The command line without the program's name.
    public let arguments: [String]

    struct Entry: Sendable {
        var option: Option
        var value: Value
        /// Nil if the value is the default.
        var origin: RawValue.Origin?
    }

    /// In the order of the option table.
    let entries: [Entry]
    private let positions: [Option.Name: Int]

    init(
        entries: [Entry],
        warnings: [String],
        configFiles: [String],
        configDirectories: [String],
        arguments: [String]
    ) {
        self.entries = entries
        self.warnings = warnings
        self.configFiles = configFiles
        self.configDirectories = configDirectories
        self.arguments = arguments
        positions = Dictionary(entries.indices.map { (entries[$0].option.key, $0) }) { first, _ in first }
    }

    /// The options whose values differ from `other`'s, as `name` or `[group] name`; both must have the same table.
    public func changes(from other: Configuration) -> [Option.Name] {
        zip(entries, other.entries).compactMap { entry, old in
            entry.value == old.value ? nil : Option.Name(group: entry.option.group, name: entry.option.name)
        }
    }

    /// The text of any option that has a single value; nil if it is unset. An empty text is a value.
    public func string(_ name: String, group: String = "DEFAULT") -> String? {
        switch value(name, group) {
        case .unset: nil
        case let value: value.text
        }
    }

    /// Of an `integer` or `port` option; nil if it is unset, which an empty value in a file also makes it.
    public func integer(_ name: String, group: String = "DEFAULT") -> Int? {
        if case .integer(let number) = value(name, group) { number } else { nil }
    }

    /// Of a `float` or `integer` option; nil if it is unset.
    public func float(_ name: String, group: String = "DEFAULT") -> Double? {
        switch value(name, group) {
        case .float(let number): number
        case .integer(let number): Double(number)
        case .unset, .string, .boolean, .list: nil
        }
    }

    /// Nil if there is neither a value nor a default.
    /// A number of seconds as a length of time, from zero to a year, whatever the number.
    public func seconds(_ name: String, group: String = "DEFAULT") -> Duration? {
        float(name, group: group).map { .seconds(min(max($0, 0), 31_536_000)) }
    }

    public func boolean(_ name: String, group: String = "DEFAULT") -> Bool? {
        if case .boolean(let isTrue) = value(name, group) { isTrue } else { nil }
    }

    /// Of a `list` or `multiString` option; empty if it is unset.
    public func list(_ name: String, group: String = "DEFAULT") -> [String] {
        if case .list(let items) = value(name, group) { items } else { [] }
    }

    /// Whether a file, the environment or the command line sets the option, be it to its default.
    public func isSet(_ name: String, group: String = "DEFAULT") -> Bool {
        entry(name, group)?.origin != nil
    }

    /// Where the value comes from, as `/etc/neutron/neutron.conf:12`; nil if it is the default.
    public func location(_ name: String, group: String = "DEFAULT") -> String? {
        entry(name, group)?.origin?.description
    }

    /// The same configuration but for one option, which something inside another option's value sets: a query
    /// parameter of `transport_url`.
    ///
    /// - Parameter origin: the option that it stands in. Where that comes from is where this one does.
    /// - Throws: `OptionValueError` if there is no such option, or the text is no value of its kind.
    public func setting(
        _ name: String,
        group: String,
        to text: String,
        from origin: String
    ) throws(OptionValueError) -> Configuration {
        guard let position = positions[Option.Name(group: group, name: name).normalized] else {
            throw OptionValueError("there is no option \(name) in [\(group)]")
        }
        var entries = entries
        do throws(ValueReader.Refusal) {
            entries[position].value = try ValueReader.read(text, for: entries[position].option)
        } catch {
            throw OptionValueError("\(name): \(error.sentence)")
        }
        entries[position].origin = entry(origin, "DEFAULT")?.origin
        return Configuration(
            entries: entries,
            warnings: warnings,
            configFiles: configFiles,
            configDirectories: configDirectories,
            arguments: arguments
        )
    }

    private func value(_ name: String, _ group: String) -> Value {
        entry(name, group)?.value ?? .unset
    }

    private func entry(_ name: String, _ group: String) -> Entry? {
        let key = Option.Name(group: group, name: name).normalized
        guard let position = positions[key] else {
            assertionFailure("no option \(name) in group [\(group)]")
            return nil
        }
        return entries[position]
    }
}

/// A text that is no value of its option, as a sentence without a full stop.
public struct OptionValueError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
