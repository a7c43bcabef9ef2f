import Testing

@testable import OsloConfig

@Suite struct SampleConfigTests {
    private let options: [Option] = [
        Option(
            "report_interval",
            group: "AGENT",
            kind: .float(min: 0),
            defaultValue: "30",
            help: "Seconds between two reports.",
            deprecatedNames: [.init(name: "old_interval")],
            since: "Havana",
            until: "Pike"
        ),
        Option("mode", kind: .string(choices: ["", "all"]), defaultValue: "", help: "Who may connect."),
        Option("name", kind: .string(), defaultValue: "node17", help: "A name.", sampleDefault: "<name of this host>"),
        Option("gone", kind: .port, help: "A port.", effect: .none("there is none")),
    ]

    @Test func sampleHasTheGeneratorsLayout() {
        #expect(
            SampleConfig.render(options: options, header: "Example file.") == """
                # Example file.

                [DEFAULT]

                # Who may connect. (string value)
                # Possible values: '', all
                #mode =

                # A name. (string value)
                # The real default depends on the machine.
                #name = <name of this host>

                # A port. (port value)
                # Minimum value: 0
                # Maximum value: 65535
                # This option has no effect: there is none
                #gone = <None>

                [AGENT]

                # Seconds between two reports. (floating point value)
                # Minimum value: 0.0
                # Neutron releases: Havana to Pike
                # Deprecated group/name - [DEFAULT]/old_interval
                #report_interval = 30

                """
        )
    }

    @Test func sampleChangesNothing() throws {
        let folder = ConfigFolder()
        let configuration = try folder.load(SampleConfig.render(options: options), options)
        #expect(options.allSatisfy { !configuration.isSet($0.name, group: $0.group) })
    }

    @Test func linesAreBrokenAtBlanks() {
        let option = Option("x", kind: .boolean, help: String(repeating: "word ", count: 60))
        let lines = SampleConfig.render(options: [option]).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count < 80 })
        #expect(lines.count > 4)
    }
}
