import Testing

@testable import OsloConfig

@Suite struct PrecedenceTests {
    private let folder = ConfigFolder()
    private let options: [Option] = [
        .text("a", "default"), .text("a", group: "AGENT"), .argument("id", .string()),
        Option(
            "new",
            kind: .string(),
            help: "",
            deprecatedNames: [.init(name: "old"), .init(group: "AGENT", name: "old")]
        ),
        Option("m", kind: .multiString, help: "", deprecatedNames: [.init(name: "old_m")]),
    ]

    @Test func defaultFilesAreTheFirstOfEachName() throws {
        folder.write("etc/neutron.conf", "[DEFAULT]\na=far")
        folder.write("etc/neutron/neutron.conf", "[DEFAULT]\na=near\nid=project")
        folder.write("etc/neutron/neutron-test.conf", "[DEFAULT]\nid=program")
        let configuration = try folder.load([String](), options)
        #expect(configuration.string("a") == "near")
        #expect(configuration.string("id") == "program")
        #expect(
            configuration.configFiles == ["neutron", "neutron-test"].map { "\(folder.path)/etc/neutron/\($0).conf" }
        )
        folder.write("home/.neutron/neutron.conf", "[DEFAULT]\na=home")
        #expect(try folder.load([String](), options).string("a") == "home")
    }

    @Test func snapFoldersAreSearchedLast() throws {
        folder.write("snap/etc/neutron/neutron.conf", "[DEFAULT]\na=snap")
        let environment = ["SNAP_COMMON": folder.path + "/snap"]
        #expect(try folder.load([String](), options, environment: environment).string("a") == "snap")
    }

    @Test func nothingFoundIsFine() throws {
        let configuration = try folder.load([String](), options)
        #expect(configuration.string("a") == "default")
        #expect(configuration.configFiles.isEmpty)
        #expect(!configuration.isSet("a"))
    }

    @Test func defaultFoldersComeAfterDefaultFilesInByteOrder() throws {
        folder.write("etc/neutron/neutron.conf", "[DEFAULT]\na=file")
        folder.write("etc/neutron/neutron.conf.d/10-b.conf", "[DEFAULT]\na=ten\nid=ten")
        folder.write("etc/neutron/neutron.conf.d/9-a.conf", "[DEFAULT]\na=nine")
        folder.write("etc/neutron/neutron.conf.d/.hidden.conf", "[DEFAULT]\na=hidden")
        folder.write("etc/neutron/neutron.conf.d/zz.conf.orig", "junk")
        let configuration = try folder.load([String](), options)
        #expect(configuration.string("a") == "nine")
        #expect(configuration.string("id") == "ten")
    }

    @Test func filesAndFoldersAreReplacedIndependently() throws {
        folder.write("etc/neutron/neutron.conf", "[DEFAULT]\na=default-file")
        folder.write("etc/neutron/neutron.conf.d/x.conf", "[AGENT]\na=default-dir")
        let own = folder.write("own.conf", "[DEFAULT]\nid=own")
        let withFile = try folder.load(["--config-file", own], options)
        #expect(withFile.string("a") == "default")
        #expect(withFile.string("a", group: "AGENT") == "default-dir")
        folder.write("dir/y.conf", "[DEFAULT]\nid=dir")
        let withFolder = try folder.load(["--config-dir", folder.path + "/dir"], options)
        #expect(withFolder.string("a") == "default-file")
        #expect(withFolder.string("a", group: "AGENT") == nil)
        #expect(withFolder.configDirectories == [folder.path + "/dir"])
    }

    @Test func noDefaultFilesAreReadIfTheProgramDoesNotWantThem() throws {
        // LP 1661106: neutron.conf.d leaked into the namespace proxy.
        folder.write("etc/neutron/neutron.conf", "[DEFAULT]\na=leak")
        folder.write("etc/neutron/neutron.conf.d/x.conf", "[DEFAULT]\na=leak")
        let loader = folder.loader(options, usesDefaultFiles: false)
        guard case .run(let configuration) = try loader.load(arguments: []) else { throw ConfigFolder.UnexpectedExit() }
        #expect(configuration.string("a") == "default")
    }

    @Test func laterFileBeatsEarlierOneAndLaterLineEarlierLine() throws {
        let first = folder.write("1.conf", "[DEFAULT]\na=1\na=2\n[AGENT]\na=1")
        let second = folder.write("2.conf", "[agent]\na=3\n[Agent]\na=4")
        let configuration = try folder.load(["--config-file", first, "--config-file=\(second)"], options)
        #expect(configuration.string("a") == "2")
        #expect(configuration.string("a", group: "AGENT") == "4")
        #expect(configuration.location("a", group: "agent") == "\(second):4")
    }

    @Test func lowerCaseDefaultIsAnotherSection() throws {
        #expect(try folder.load("[default]\na=x", options).string("a") == "default")
    }

    @Test func orderOnTheCommandLineDecidesBetweenFileAndArgument() throws {
        let file = folder.write("x.conf", "[DEFAULT]\nid=file")
        #expect(try folder.load(["--id=cli", "--config-file", file], options).string("id") == "file")
        #expect(try folder.load(["--config-file", file, "--id=cli"], options).string("id") == "cli")
        folder.write("etc/neutron/neutron.conf", "[DEFAULT]\nid=default-file")
        #expect(try folder.load(["--id=cli"], options).string("id") == "cli")
    }

    @Test func environmentIsBetweenFilesAndTheCommandLine() throws {
        let environment = ["OS_DEFAULT__ID": "env", "OS_AGENT__A": "env", "OS_DEFAULT__UNKNOWN": "x"]
        let file = folder.write("x.conf", "[DEFAULT]\nid=file\n[AGENT]\na=file")
        let arguments = ["--config-file", file]
        let configuration = try folder.load(arguments, options, environment: environment)
        #expect(configuration.string("id") == "env")
        #expect(configuration.string("a", group: "AGENT") == "env")
        #expect(configuration.location("id") == "environment variable OS_DEFAULT__ID")
        #expect(try folder.load(arguments + ["--id=cli"], options, environment: environment).string("id") == "cli")
    }

    @Test func currentNameWinsInOneFileAndTheLaterFileOtherwise() throws {
        let both = folder.write("both.conf", "[DEFAULT]\nnew=n\nold=o")
        let old = folder.write("old.conf", "[agent]\nold=later")
        let one = try folder.load(["--config-file", both], options)
        #expect(one.string("new") == "n")
        #expect(one.warnings.isEmpty)
        let two = try folder.load(["--config-file", both, "--config-file", old], options)
        #expect(two.string("new") == "later")
        #expect(
            two.warnings == [
                "Option \"old\" from group \"agent\" is deprecated. Use option \"new\" from group \"DEFAULT\"."
            ]
        )
    }

    @Test func everyAssignmentOfAMultiStringCounts() throws {
        let first = folder.write("1.conf", "[DEFAULT]\nm=a\nm=b,c\nold_m=o")
        let second = folder.write("2.conf", "[DEFAULT]\nm=d")
        let configuration = try folder.load(["--config-file", first, "--config-file", second], options)
        #expect(configuration.list("m") == ["o", "a", "b,c", "d"])
        #expect(configuration.warnings.count == 1)
    }

    @Test func loadingAgainReadsTheFilesAgain() throws {
        folder.write("x.conf", "[DEFAULT]\na=1")
        let loader = folder.loader(options)
        for value in ["1", "2"] {
            folder.write("x.conf", "[DEFAULT]\na=\(value)")
            // Relative to the folder the loader was made in, wherever a daemon went since.
            guard case .run(let configuration) = try loader.load(arguments: ["--config-file=x.conf"]) else {
                throw ConfigFolder.UnexpectedExit()
            }
            #expect(configuration.string("a") == value)
        }
    }

    @Test func tildeIsTheHomeFolder() throws {
        folder.write("home/x.conf", "[DEFAULT]\na=home")
        #expect(try folder.load(["--config-file", "~/x.conf"], options).string("a") == "home")
    }

    @Test func programNameLosesItsPythonSuffix() throws {
        folder.write("etc/neutron/agent.conf", "[DEFAULT]\na=found")
        let loader = ConfigurationLoader(
            program: "agent.py",
            version: "1",
            options: options,
            environment: ["HOME": "/nonexistent"],
            etcDirectory: folder.path + "/etc"
        )
        guard case .run(let configuration) = try loader.load(arguments: []) else { throw ConfigFolder.UnexpectedExit() }
        #expect(configuration.string("a") == "found")
    }

    @Test func environmentOfAProcessIsRead() {
        let environment = ProcessEnvironment.parse(Array("A=1\0B=x=y\0C\0A=2\0D=\0".utf8))
        #expect(environment == ["A": "1", "B": "x=y", "D": ""])
        #expect(ProcessEnvironment.read()["PATH"] != nil)
    }
}
