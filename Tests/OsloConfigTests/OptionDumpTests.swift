import Testing

@testable import OsloConfig

@Suite struct OptionDumpTests {
    private let folder = ConfigFolder()
    private let options: [Option] = [
        .text("zone"), .text("a", "x"), .text("q", group: "AGENT"),
        Option("b", group: "AGENT", kind: .boolean, help: ""),
        Option("l", kind: .list, defaultValue: "a,it's", help: ""),
        Option("password", kind: .string(), defaultValue: "", help: "", isSecret: true),
        .argument("memory", .string()), Option("f", kind: .float(), defaultValue: "30", help: ""),
    ]

    @Test func dumpHasOslosLayout() throws {
        let file = folder.write("x.conf", "[AGENT]\nb=no\n")
        let dump = try folder.load(["--config-file", file], options).optionDump()
        #expect(
            dump == [
                String(repeating: "*", count: 80),
                "Configuration options gathered from:",
                "command line args: ['--config-file', '\(file)']",
                "config files: ['\(file)']",
                String(repeating: "=", count: 80),
                "a                              = x",
                "config_dir                     = []",
                "config_file                    = ['\(file)']",
                "f                              = 30.0",
                "l                              = ['a', \"it's\"]",
                "memory                         = None",
                "password                       = ****",
                "zone                           = None",
                "AGENT.b                        = False",
                "AGENT.q                        = None",
                String(repeating: "*", count: 80),
            ]
        )
    }

    @Test func secretsAndCredentialsAreMasked() throws {
        let text = "[DEFAULT]\npassword=hunter2\nzone=rabbit://u:hunter2@h1,u:hunter2@h2/v\nl=a,http://hunter2@x\na=x@y"
        let file = folder.write("x.conf", text)
        let arguments = ["--config-file", file, "--memory=amqp://u:hunter2@h"]
        let dump = try folder.load(arguments, options).optionDump().joined(separator: "\n")
        #expect(!dump.contains("hunter2"))
        #expect(dump.contains("zone                           = rabbit://****@h2/v"))
        #expect(dump.contains("l                              = ['a', 'http://****@x']"))
        #expect(dump.contains("'--memory=amqp://****@h'"))
        #expect(dump.contains("a                              = x@y"))
    }

    @Test func lineBreakInAValueCannotForgeALine() throws {
        let dump = try folder.load("[DEFAULT]\na=x\n  y = 1", options).optionDump()
        #expect(dump.contains("a                              = x\\ny = 1"))
    }
}
