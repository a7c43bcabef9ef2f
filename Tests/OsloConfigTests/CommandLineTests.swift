import Testing

@testable import OsloConfig

@Suite struct CommandLineTests {
    private let options: [Option] = [
        .argument("network_id", .string()), .argument("pid_file", .string()),
        .argument("daemonize", .boolean, "true"), .argument("metadata_port", .port, "9697"),
        .argument("metadata_proxy_socket", .string()),
        .argument("debug", .boolean, "false", short: "d"), .argument("verbose", .boolean, "false", short: "v"),
        .argument("host", .string(), short: "H"),
        Option(
            "log_file",
            kind: .string(),
            help: "A test option.",
            commandLine: .init(["log-file", "logfile"]),
            deprecatedNames: [.init(name: "logfile")]
        ),
        .text("file_only"),
    ]
    private let folder = ConfigFolder()

    private func load(_ arguments: [String]) throws -> Configuration { try folder.load(arguments, options) }

    @Test(arguments: [
        ["--network_id", "n1"], ["--network_id=n1"], ["--network-id=n1"], ["--network", "n1"], ["--ne=n1"],
        ["--network_id=other", "--network_id=n1"],
    ])
    func valueIsTaken(arguments: [String]) throws {
        #expect(try load(arguments).string("network_id") == "n1")
    }

    @Test(arguments: ["--log-file", "--log_file", "--logfile", "--log-f", "--logf"])
    func spellingMeansTheLogFile(spelling: String) throws {
        #expect(try load([spelling, "x.log"]).string("log_file") == "x.log")
    }

    @Test func booleansHaveANegativeForm() throws {
        #expect(try load(["--nodaemonize"]).boolean("daemonize") == false)
        #expect(try load(["--noda", "--daemonize"]).boolean("daemonize") == true)
        #expect(try load(["--debug"]).boolean("debug") == true)
    }

    @Test func lettersMayShareAWord() throws {
        let both = try load(["-dv"])
        #expect(both.boolean("debug") == true && both.boolean("verbose") == true)
        #expect(try load(["-Hnode1"]).string("host") == "node1")
        #expect(try load(["-H", "node1", "-d"]).string("host") == "node1")
        #expect(try load(["-H=node1"]).string("host") == "node1")
    }

    @Test func unusualWordsAreValues() throws {
        #expect(try load(["--network_id="]).string("network_id") == "")
        #expect(try load(["--network_id", "-"]).string("network_id") == "-")
        #expect(try load(["--network_id", "-5"]).string("network_id") == "-5")
        #expect(try load(["--network_id", "-a b"]).string("network_id") == "-a b")
        #expect(try load(["--network_id=--debug"]).string("network_id") == "--debug")
        #expect(try load(["--network_id=a=b"]).string("network_id") == "a=b")
    }

    @Test(arguments: [
        (["word"], "unrecognized arguments: word"),
        (["--nope", "x", "-z"], "unrecognized arguments: --nope x -z"),
        (["--file_only=x"], "unrecognized arguments: --file_only=x"),
        (["--"], "unrecognized arguments: --"),
        (["-"], "unrecognized arguments: -"),
        (["--network_id"], "argument --network_id: expected one argument"),
        (["--network_id", "--debug"], "argument --network_id: expected one argument"),
        (["--config-file"], "argument --config-file: expected one argument"),
        (["--debug=false"], "argument --debug: ignored explicit argument 'false'"),
        (["--nodebug=1"], "argument --nodebug: ignored explicit argument '1'"),
        (["-dx"], "argument -d: ignored explicit argument 'x'"),
        (["--no"], "ambiguous option: --no could match --nodaemonize, --nodebug, --noverbose"),
        (["--metadata_p=1"], "ambiguous option: --metadata_p could match --metadata_port, --metadata_proxy_socket"),
    ])
    func wrongUsageExitsWithTwo(arguments: [String], sentence: String) throws {
        let error = try #require(folder.failure(arguments, options))
        #expect(error.exitStatus == 2)
        #expect(error.problems.map(\.message) == [sentence])
        #expect(error.description.hasPrefix("usage: neutron-test [-h] [--version]"))
        #expect(error.description.hasSuffix("\nneutron-test: error: \(sentence)"))
    }

    @Test func wrongValueOfAnArgumentExitsWithOne() throws {
        let error = try #require(folder.failure(["--metadata_port=70000"], options))
        #expect(error.exitStatus == 1)
        #expect(
            error.problems.map(\.message) == [
                "argument --metadata_port: Invalid Port value: 70000 "
                    + "(Should be less than or equal to 65535, but found '70000')"
            ]
        )
    }

    @Test func credentialsInUnrecognizedArgumentsAreMasked() throws {
        let error = try #require(folder.failure(["rabbit://u:hunter2@h/"], options))
        #expect(error.description.contains("rabbit://****@h/"))
        #expect(!error.description.contains("hunter2"))
    }

    @Test func versionIsPrintedWithoutReadingFiles() throws {
        let outcome = try folder.loader(options).load(arguments: ["--config-file=/nonexistent", "--version", "--nope"])
        guard case .exit(let status, let output) = outcome else { throw ConfigFolder.UnexpectedExit() }
        #expect(status == 0)
        #expect(output == "neutron-test 7.1\n")
    }

    @Test(arguments: ["-h", "--help", "--he"])
    func helpNamesEveryArgument(argument: String) throws {
        guard case .exit(0, let output) = try folder.loader(options).load(arguments: [argument]) else {
            throw ConfigFolder.UnexpectedExit()
        }
        for form in ["-d, --debug, --nodebug", "--log-file LOG_FILE, --logfile LOG_FILE", "--config-dir DIR"] {
            #expect(output.contains(form))
        }
        #expect(!output.contains("file_only"))
        #expect(output.split(separator: "\n").allSatisfy { $0.count < 80 })
    }

    @Test func argumentsAreKeptForTheDump() throws {
        let arguments = ["--network_id=n1", "-d"]
        #expect(try load(arguments).arguments == arguments)
    }
}
