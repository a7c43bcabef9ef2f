/// The order in which a guest reads the EC2 tree: a listing names branches (`NAME/`) and leaves; branches come first,
/// each with everything in it, then the leaves. What a key is called (`0=alice`) becomes where it is (`0/openssh-key`).
///
/// A value without I/O: `next` says what to ask for, `take` is given each listing.
struct EC2Crawl {
    static let root = "/latest/meta-data/"
    /// A guest would follow any depth, until its stack ends.
    static let depthMax = 16

    private struct Listing {
        var base: String
        var branches: [String]
        var leaves: [String]
    }

    private var open: [Listing] = []
    private var isAtRoot = true
    /// Whether the last target given out is a listing; its body must be given to `take`.
    private(set) var expectsListing = false

    init() {}

    /// The next target, nil when the whole tree has been read.
    mutating func next() -> String? {
        expectsListing = isAtRoot
        if isAtRoot {
            isAtRoot = false
            return Self.root
        }
        while var top = open.popLast() {
            if !top.branches.isEmpty {
                let target = top.base + top.branches.removeFirst() + "/"
                open.append(top)
                expectsListing = true
                pending = target
                return target
            }
            if !top.leaves.isEmpty {
                let target = top.base + top.leaves.removeFirst()
                open.append(top)
                return target
            }
        }
        return nil
    }

    private var pending = root

    /// - Returns: false if the guest cannot read the listing, and loses the tree.
    mutating func take(_ body: [UInt8]) -> Bool {
        guard open.count < Self.depthMax, let text = String(validating: body, as: UTF8.self) else { return false }
        var listing = Listing(base: pending, branches: [], leaves: [])
        // By name, because the last line of several with one name says where it is.
        var places: [String: Int] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let field = line.trimmingBlanks
            let isBranch = field.hasSuffix("/")
            var name = field
            if isBranch { while name.hasSuffix("/") { name = name.dropLast() } }
            guard !name.isEmpty, name != "security-credentials" else { continue }
            if isBranch {
                let branch = Self.quoted(name)
                if !listing.branches.contains(branch) { listing.branches.append(branch) }
                continue
            }
            var place = Self.quoted(name)
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, let number = Int(parts[0]) {
                name = parts[1]
                place = "\(number)/openssh-key"
            }
            if let index = places[String(name)] {
                listing.leaves[index] = place
            } else {
                places[String(name)] = listing.leaves.count
                listing.leaves.append(place)
            }
        }
        open.append(listing)
        return true
    }

    /// As Python's `quote` with `/` and `:` left alone.
    static func quoted(_ text: some StringProtocol) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: ":"), UInt8(ascii: "-")...UInt8(ascii: "/"), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
            }
        }
        return result
    }
}

extension Substring {
    /// Without white space at both ends.
    var trimmingBlanks: Substring {
        var rest = self
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return rest
    }
}
