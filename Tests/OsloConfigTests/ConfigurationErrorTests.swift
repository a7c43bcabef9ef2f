import Glibc
import Testing

@testable import OsloConfig

@Suite struct ConfigurationErrorTests {
    private let folder = ConfigFolder()
    private let options: [Option] = [
        .text("a"), Option("i", kind: .integer(min: 1), help: ""),
        Option("f", group: "AGENT", kind: .float(), help: "", deprecatedNames: [.init(name: "old_f")]),
        Option("hold_seconds", group: "bellhop", kind: .float(), help: ""),
        Option("inventory", group: "bellhop", kind: .string(), help: ""),
        Option("gone", kind: .integer(), help: "", effect: .none("the agent has its own limit")),
        Option("leaving", kind: .string(), help: "", deprecatedForRemoval: "nobody needs it"),
        Option("url", kind: .string(choices: ["x"]), help: ""),
    ]

    @Test func allMistakesAreReportedTogether() throws {
        let broken = folder.write("broken.conf", "[DEFAULT]\ni=0\njunk\n[AGENT]\nf=x\n[bellhop]\nhold_second=3")
        let error = try #require(
            folder.failure(
                [
                    "--config-file", broken, "--config-file=/nonexistent/a", "--config-file=/nonexistent/b",
                    "--config-dir=/nonexistent",
                ],
                options
            )
        )
        #expect(error.exitStatus == 1)
        #expect(
            error.problems.map(\.message) == [
                "Failed to find some config files: /nonexistent/a,/nonexistent/b",
                "Failed to parse \(broken): at \(broken):3, No ':' or '=' found in assignment: 'junk'",
                "Failed to read config file directory: /nonexistent",
                "\(broken):7: unknown option 'hold_second' in group [bellhop]; did you mean 'hold_seconds'?",
                "Value for option i from \(broken):2 is not valid: Should be greater than or equal to 1, but found '0'",
                "Value for option AGENT.f from \(broken):5 is not valid: Expected a decimal number, but found 'x'",
            ]
        )
        #expect(error.description.split(separator: "\n").allSatisfy { $0.hasPrefix("neutron-test: error: ") })
    }

    @Test func problemNamesTheDeprecatedSpelling() throws {
        let error = try #require(folder.failure("[DEFAULT]\nold_f=x", options))
        #expect(error.description.contains("option AGENT.f (written as old_f) from \(folder.path)/test.conf:2"))
    }

    @Test func folderGivenAsFileIsNamed() throws {
        let path = folder.makeFolder("dir.conf")
        let error = try #require(folder.failure(["--config-file", path], options))
        #expect(error.problems.map(\.message) == ["Failed to open some config files: \(path) (is a directory)"])
    }

    @Test func fileGivenAsFolderIsNamed() throws {
        let path = folder.write("x.conf", "")
        let error = try #require(folder.failure(["--config-dir", path], options))
        #expect(error.problems.map(\.message) == ["Failed to read config file directory: \(path)"])
    }

    @Test(.disabled(if: geteuid() == 0, "root may read everything"))
    func unreadableFileIsNamed() throws {
        let path = folder.write("x.conf", "")
        chmod(path, 0)
        let error = try #require(folder.failure(["--config-file", path], options))
        #expect(error.problems.map(\.message) == ["Failed to open some config files: \(path) (Permission denied)"])
    }

    @Test func sizeOfAFileIsLimited() throws {
        let path = folder.write("big.conf", "")
        try #require(truncate(path, off_t(TextFile.bytesMax + 1)) == 0)
        let error = try #require(folder.failure(["--config-file", path], options))
        #expect(error.problems.map(\.message) == ["Failed to open some config files: \(path) (is larger than 8 MiB)"])
        #expect(try folder.load(["--config-file", "/dev/null"], options).configFiles == ["/dev/null"])
    }

    @Test func emptyPathNamesNoFile() {
        #expect(folder.failure(["--config-file="], options) != nil)
        #expect(folder.failure(["--config-dir="], options) != nil)
    }

    @Test func valueInAMessageStaysOnOneLineAndHidesCredentials() throws {
        let error = try #require(folder.failure("[DEFAULT]\nurl=http://u:hunter2@h\n  next", options))
        #expect(error.problems.count == 1)
        #expect(error.description.contains("but found 'http://****@h\\nnext'"))
    }

    @Test func unknownNamesAreIgnoredOutsideOurGroup() throws {
        let configuration = try folder.load(
            "[DEFAULT]\ncore_plugin=ml2\n[nova]\nx=1\n[AGENT]\nroot_helper=sudo",
            options
        )
        #expect(configuration.warnings.isEmpty)
    }

    @Test func unknownVariableOfOurGroupIsAnError() throws {
        let error = try #require(folder.failure([], options, environment: ["OS_BELLHOP__INVENTRY": "/x"]))
        #expect(
            error.problems.map(\.message) == [
                "environment variable OS_BELLHOP__INVENTRY: unknown option 'inventry' in group [bellhop]; "
                    + "did you mean 'inventory'?"
            ]
        )
    }

    @Test func groupOfAnotherProgramIsNotOurs() throws {
        // The namespace proxy has no such group, but may be given the agent's file.
        #expect(try folder.load("[bellhop]\ntypo=1", [.text("a")]).warnings.isEmpty)
    }

    @Test func optionWithoutEffectIsWarnedAboutAndNeverAnError() throws {
        let configuration = try folder.load("[DEFAULT]\ngone=many\nleaving=x", options)
        #expect(configuration.integer("gone") == nil)
        #expect(
            configuration.warnings == [
                "Option \"gone\" from group \"DEFAULT\" has no effect: the agent has its own limit",
                "Option \"leaving\" from group \"DEFAULT\" is deprecated for removal (nobody needs it).  "
                    + "Its value may be silently ignored in the future.",
            ]
        )
        #expect(try folder.load("", options).warnings.isEmpty)
    }

    @Test func nearestNameIsTheOneWithTheFewestChanges() {
        let known = ["hold_seconds", "inventory", "directory"]
        #expect(NearestName.to("hold-seconds", among: known) == "hold_seconds")
        #expect(NearestName.to("directry", among: known) == "directory")
        #expect(NearestName.to("x", among: []) == nil)
    }
}
