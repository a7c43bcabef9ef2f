import Testing

@testable import OsloConfig

@Suite struct SubstitutionTests {
    private let folder = ConfigFolder()
    private let options: [Option] = [
        .text("state_path", "/var/lib/neutron"), .text("socket", "$state_path/metadata_proxy"), .text("v"),
        .text("unset"),
        .text("v", group: "AGENT"), .text("local", group: "AGENT"),
        Option("i", kind: .integer(), defaultValue: "7", help: ""),
        Option("port", kind: .port, defaultValue: "$i", help: ""),
        Option("l", kind: .list, help: ""), Option("b", kind: .boolean, defaultValue: "true", help: ""),
        Option("secret", kind: .string(), help: "", isSecret: true),
    ]

    @Test(arguments: [
        ("$state_path/x", "/var/lib/neutron/x"), ("${state_path}x", "/var/lib/neutronx"), ("a$${i}", "a${i}"),
        ("$$", "$"), ("\\$i", "$i"), ("\\$$i", "$7"), ("$$$i", "$7"), ("$1", "$1"), ("$", "$"), ("a$ b", "a$ b"),
        ("${}", "${}"), ("${i", "${i"), ("${i.}x", "x"), ("-$i-", "-7-"), ("$b", "True"), ("[$unset]", "[]"),
        ("$i.$i", "7.7"), ("$state_path.old", "/var/lib/neutron.old"), ("$socket", "/var/lib/neutron/metadata_proxy"),
        ("$AGENT.local", "here"), ("${agent.local}.x", "here.x"), ("$AGENT.local.x", "here.x"), ("$DEFAULT.i", "7"),
        ("$elsewhere", "7-8"),
    ])
    func referenceIsReplaced(text: String, value: String) throws {
        let file = "[AGENT]\nlocal=here\n[DEFAULT]\nelsewhere=$i-8\nv=\(text)"
        if text == "${i.}x" {
            // A braced name is taken whole.
            #expect(folder.failure(file, options) != nil)
        } else {
            #expect(try folder.load(file, options).string("v") == value)
        }
    }

    @Test func ownGroupIsSearchedBeforeDefault() throws {
        let configuration = try folder.load("[DEFAULT]\nlocal=outer\n[AGENT]\nlocal=inner\nv=$local$i", options)
        #expect(configuration.string("v", group: "AGENT") == "inner7")
    }

    @Test func numbersAndListsAreReadAfterSubstitution() throws {
        let configuration = try folder.load("[DEFAULT]\ni=$v\nv=9\nl=$i,x$i", options)
        #expect(configuration.integer("i") == 9)
        #expect(configuration.integer("port") == 9)
        #expect(configuration.list("l") == ["9", "x9"])
    }

    @Test func environmentAndChainsAreSubstituted() throws {
        let configuration = try folder.load("", options, environment: ["OS_DEFAULT__STATE_PATH": "/srv/$i"])
        #expect(configuration.string("socket") == "/srv/7/metadata_proxy")
    }

    @Test func unknownNameIsAnErrorThatSaysHowToWriteADollarSign() throws {
        let error = try #require(folder.failure("[DEFAULT]\nv=pa$word", options))
        #expect(
            error.problems.map(\.message) == [
                "Value for option v from \(folder.path)/test.conf:2 is not valid: "
                    + "no such option 'word'; write $$ for a dollar sign"
            ]
        )
        #expect(error.problems.first?.line == 2)
    }

    @Test func secretWithADollarSignIsNotShown() throws {
        let error = try #require(folder.failure("[DEFAULT]\nsecret=pa$word", options))
        #expect(!error.description.contains("word'") && !error.description.contains("pa$"))
        #expect(error.description.contains("write $$ for a dollar sign"))
        #expect(try folder.load("[DEFAULT]\nsecret=pa$$word", options).string("secret") == "pa$word")
    }

    @Test func circleIsReportedOnce() throws {
        let error = try #require(folder.failure("[DEFAULT]\nv=$state_path\nstate_path=$unset\nunset=x$v", options))
        #expect(error.problems.count == 1)
        #expect(error.description.contains("the values name each other in a circle"))
        #expect(folder.failure("[DEFAULT]\nv=$v", options)?.problems.count == 1)
        #expect(folder.failure("[DEFAULT]\nv=$x\nx=$y\ny=$x", options)?.problems.count == 1)
    }

    @Test func dependentsOfAWrongValueAddNoProblem() throws {
        let error = try #require(folder.failure("[DEFAULT]\ni=seven\nv=$i", options))
        #expect(error.problems.map(\.option) == [Option.Name(name: "i")])
    }

    @Test func longChainsAndDoublingEndInAnError() throws {
        let chain = (0..<500).map { "c\($0)=$c\($0 + 1)" }.joined(separator: "\n")
        #expect(folder.failure("[DEFAULT]\nv=$c0\n\(chain)\nc500=x", options)?.problems.count == 1)
        let doubling = (0..<40).map { "d\($0)=$d\($0 + 1)$d\($0 + 1)" }.joined(separator: "\n")
        let error = try #require(folder.failure("[DEFAULT]\nv=$d0\n\(doubling)\nd40=x", options))
        #expect(error.description.contains("longer than"))
    }
}
