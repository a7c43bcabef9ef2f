import Inventory
import Testing

@testable import NovaMetadata

/// The listings of both trees, to the byte: no final newline.
@Suite struct ListingTests {
    private static let ec2Versions = """
        1.0
        2007-01-19
        2007-03-01
        2007-08-29
        2007-10-10
        2007-12-15
        2008-02-01
        2008-09-01
        2009-04-04
        latest
        """

    @Test(arguments: ["/", "", "/ec2", "/ec2/", "//", "/./", "/x/..", "/?a=b"])
    func rootListsEC2Versions(target: String) throws {
        #expect(try Fixture.tree(Fixture.bare).text(target) == Self.ec2Versions)
    }

    @Test(arguments: [("/", true), ("//", true), ("/.", true), ("/?x", true), ("/ec2", false), ("/openstack", false)])
    func onlyTheRootIsPublic(target: String, isPublic: Bool) {
        #expect((MetadataTree.publicAnswer(target: target) != nil) == isPublic)
    }

    @Test func openStackListsVersionsUpToToday() throws {
        let tree = try Fixture.tree(Fixture.bare)
        let versions = """
            2012-08-10
            2013-04-04
            2013-10-17
            2015-10-15
            2016-06-30
            2016-10-06
            2017-02-22
            2018-08-27
            2020-10-14
            2025-04-04
            latest
            """
        #expect(try tree.text("/openstack") == versions)
        #expect(try tree.text("/openstack/") == versions)
    }

    @Test(arguments: [
        (0, "latest"),
        // 2013-04-03 23:59:59 and one second later
        (1_365_033_599, "2012-08-10\nlatest"),
        (1_365_033_600, "2012-08-10\n2013-04-04\nlatest"),
    ])
    func versionsOfTheFutureAreHiddenAndAnswer(seconds: Int, list: String) throws {
        let tree = try Fixture.tree(Fixture.bare)
        let today = UTCDay(secondsSince1970: seconds)
        #expect(try tree.get("/openstack", today: today).body == Array(list.utf8))
        #expect(try tree.get("/openstack/2025-04-04", today: today).status == 200)
        #expect(try tree.get("/openstack/latest/vendor_data2.json", today: today).status == 200)
    }

    @Test(arguments: [
        ("2012-08-10", "meta_data.json\nuser_data"),
        ("2013-04-04", "meta_data.json\nuser_data\npassword"),
        ("2013-10-17", "meta_data.json\nuser_data\npassword\nvendor_data.json"),
        ("2015-10-15", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json"),
        ("2016-06-30", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json"),
        ("2016-10-06", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
        ("2025-04-04", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
        ("latest", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
    ])
    func versionListsItsFiles(version: String, files: String) throws {
        let tree = try Fixture.tree(Fixture.full)
        #expect(try tree.text("/openstack/\(version)") == files)
        #expect(try tree.text("/openstack/\(version)/") == files)
        #expect(try tree.text("/openstack/\(version)/version") == files)
    }

    @Test func userDataIsListedOnlyIfPresent() throws {
        let tree = try Fixture.tree(Fixture.bare)
        #expect(try tree.text("/openstack/2012-08-10") == "meta_data.json")
        #expect(try tree.text("/latest") == "meta-data/")
        #expect(try Fixture.tree("instances: {i: {user_data: ''}}").text("/latest") == "meta-data/\nuser-data")
    }

    @Test(arguments: [
        "/latest", "/latest/", "//latest", "/ec2/latest", "/ec2//latest/./", "/2009-04-04", "/1.0/", "/x/../latest",
        "/latest?x=/y", "/%6catest", "http://169.254.169.254/latest", "http://[fe80::1]/latest/",
    ])
    func spellingsOfOnePathAreOne(target: String) throws {
        #expect(try Fixture.tree(Fixture.full).text(target) == "meta-data/\nuser-data")
    }

    @Test(arguments: [
        "/openstack/2099-01-01", "/openstack/2012-08-1", "/openstack/latest/nothing", "/openstack/latest/content",
        "/openstack/latest/user_data/x", "/openstack/content", "/openstack/content/", "/openstack/content/0000",
        "/openstack/content/0000/x", "/openstack/2012-08-10/password", "/openstack/2013-04-04/vendor_data.json",
        "/openstack/2016-06-30/vendor_data2.json", "/latest/dynamic", "/latest/api/token", "/latest/meta-data/mac",
        "/latest/meta-data/network/interfaces", "/latest/user-data/x", "/latest/meta-data/ami-id/x",
        "/latest/meta-data/security-groups/default", "/latest/meta-data/public-keys/1", "/2010-01-01",
        "/latest/meta-data/public-keys/0/_name", "*", "/openstackx", "/..%00",
    ])
    func otherPathsAreNotFound(target: String) throws {
        let answer = try Fixture.tree(Fixture.full).get(target)
        #expect(answer.status == 404)
        #expect(answer.contentType == "text/plain; charset=UTF-8")
        #expect(answer.body == Array("The resource could not be found.\n".utf8))
    }

    /// 2.1 of the tree's rules: apart from `password`, what a path answers does not depend on the method.
    @Test(arguments: ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
    func methodIsNotLookedAt(method: String) throws {
        let tree = try Fixture.tree(Fixture.full)
        for target in ["/latest/meta-data/ami-id", "/openstack/latest/meta_data.json", "/latest/api/token"] {
            #expect(try tree.get(target, method: method) == tree.get(target))
        }
    }
}
