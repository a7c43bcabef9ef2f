/// One configuration option: its name, type, default, and the sentence an operator reads about it.
///
/// A program's options are tables of these values. Files, environment, command line, option dump and sample
/// file all follow from the table, so an option is described in exactly one place. What a value *means* is
/// not known here.
public struct Option: Sendable {
    /// How the text of a value is read, in oslo.config's terms.
    public enum Kind: Hashable, Sendable {
        /// Taken as it is; with `choices` only those spellings are allowed.
        case string(choices: [String]? = nil)
        /// `true 1 on yes` or `false 0 off no`, in any case.
        case boolean
        /// A decimal number; an empty value means unset.
        case integer(min: Int? = nil, max: Int? = nil)
        /// A finite decimal number; an empty value means unset.
        case float(min: Double? = nil, max: Double? = nil)
        /// 0 to 65535; an empty value means unset.
        case port
        /// Values separated by commas.
        case list
        /// Every assignment adds one value.
        case multiString
        /// An IPv4 or IPv6 address without brackets, or a host name of RFC 1123.
        case hostAddress
    }

    /// A group and a name in it. Groups compare without regard to case, except `DEFAULT`.
    public struct Name: Hashable, Sendable {
        public var group: String
        public var name: String

        public init(group: String = "DEFAULT", name: String) {
            self.group = group
            self.name = name
        }
    }

    /// How an option is written on the command line.
    public struct CommandLine: Hashable, Sendable {
        /// Long spellings without the leading dashes, the preferred one first: `log-file`, `logfile`.
        /// Dashes and underscores are interchangeable. A boolean also gets `--noSPELLING`.
        public var spellings: [String]
        /// One letter, as in `-d`.
        public var short: Character?

        public init(_ spellings: [String], short: Character? = nil) {
            self.spellings = spellings
            self.short = short
        }
    }

    /// Whether setting the option changes anything.
    public enum Effect: Hashable, Sendable {
        case full
        /// Accepted, so that an existing file keeps working, but without effect. The reason completes the
        /// sentence "has no effect: …" of a warning that is given once, when the option is set.
        case none(String)
    }

    public var name: String
    public var group: String
    public var kind: Kind
    /// In text form, subject to `$` substitution like a value from a file; nil if there is no default.
    public var defaultValue: String?
    public var help: String
    /// Never shown: neither in the option dump nor in an error message.
    public var isSecret: Bool
    /// Nil for an option that only files and the environment can set.
    public var commandLine: CommandLine?
    public var deprecatedNames: [Name]
    /// Why the option will go away; nil if it will not.
    public var deprecatedForRemoval: String?
    public var effect: Effect
    /// Shown in the sample file instead of a default that depends on the machine.
    public var sampleDefault: String?
    /// Choices are compared without regard to case.
    public var ignoresChoiceCase: Bool
    /// The first Neutron release that had the option; nil for options of our own.
    public var since: String?
    /// The last Neutron release that had the option; nil if it still has it.
    public var until: String?

    public init(
        _ name: String,
        group: String = "DEFAULT",
        kind: Kind,
        defaultValue: String? = nil,
        help: String,
        isSecret: Bool = false,
        commandLine: CommandLine? = nil,
        deprecatedNames: [Name] = [],
        deprecatedForRemoval: String? = nil,
        effect: Effect = .full,
        sampleDefault: String? = nil,
        ignoresChoiceCase: Bool = false,
        since: String? = nil,
        until: String? = nil
    ) {
        self.name = name
        self.group = group
        self.kind = kind
        self.defaultValue = defaultValue
        self.help = help
        self.isSecret = isSecret
        self.commandLine = commandLine
        self.deprecatedNames = deprecatedNames
        self.deprecatedForRemoval = deprecatedForRemoval
        self.effect = effect
        self.sampleDefault = sampleDefault
        self.ignoresChoiceCase = ignoresChoiceCase
        self.since = since
        self.until = until
    }

    /// Group and name in the form in which they are compared.
    var key: Name { Name(group: group, name: name).normalized }
}

extension Option.Name {
    /// `[agent]` and `[AGENT]` are one group; `[default]` is not `[DEFAULT]` (oslo.config's own rule).
    var normalized: Option.Name {
        Option.Name(group: Self.normalizedGroup(group), name: name)
    }

    static func normalizedGroup(_ group: String) -> String {
        group == "DEFAULT" ? group : group.lowercased()
    }
}
