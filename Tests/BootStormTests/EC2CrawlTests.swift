import Testing

@testable import BootStorm

@Suite struct EC2CrawlTests {
    private func walk(_ tree: [String: String]) -> [String] {
        var crawl = EC2Crawl()
        var asked: [String] = []
        while let target = crawl.next() {
            asked.append(target)
            if crawl.expectsListing, !crawl.take(Array((tree[target] ?? "").utf8)) { return asked + ["lost"] }
        }
        return asked
    }

    @Test func branchesComeBeforeLeavesEachToItsEnd() {
        let root = EC2Crawl.root
        let asked = walk([root: "z\nb/\na\nc/", root + "b/": "y\nd/", root + "b/d/": "x", root + "c/": ""])
        #expect(asked == ["", "b/", "b/d/", "b/d/x", "b/y", "c/", "z", "a"].map { root + $0 })
    }

    @Test(arguments: [
        ("0=alice\n1=bob", ["0/openssh-key", "1/openssh-key"]),
        // Of two lines with one name, the second says where, the first when.
        ("0=alice\nx\n1=alice", ["1/openssh-key", "x"]),
        ("a=b", ["a%3Db"]),
        ("a\r\nb\n\n  c  \n", ["a", "b", "c"]),
        ("security-credentials\na", ["a"]),
        ("security-credentials/\na", ["a"]),
        ("a\na", ["a"]),
        ("with blank", ["with%20blank"]),
        ("a~b-c.d_e:f", ["a~b-c.d_e:f"]),
        ("ä", ["%C3%A4"]),
        ("/", []),
    ])
    func linesBecomeTargets(_ listing: String, _ expected: [String]) {
        #expect(walk([EC2Crawl.root: listing]).dropFirst() == expected.map { EC2Crawl.root + $0 }[...])
    }

    @Test func branchNamedTwiceIsReadOnce() {
        #expect(walk([EC2Crawl.root: "a/\na/\na//"]) == [EC2Crawl.root, EC2Crawl.root + "a/"])
    }

    @Test func listingThatIsNoTextLosesTheTree() {
        var crawl = EC2Crawl()
        _ = crawl.next()
        let isReadable = crawl.take([0xFF, 0xFE])
        #expect(!isReadable)
    }

    @Test func depthIsBounded() {
        var tree: [String: String] = [:]
        for depth in 0..<100 { tree[EC2Crawl.root + String(repeating: "a/", count: depth)] = "a/" }
        let asked = walk(tree)
        #expect(asked.last == "lost")
        #expect(asked.count == EC2Crawl.depthMax + 2)
    }
}
