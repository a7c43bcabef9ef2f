/// Guesses which name was meant by a mistyped one.
enum NearestName {
    /// The known name that needs the fewest letters changed, added or left out; nil if none is known.
    static func to(_ name: String, among known: [String]) -> String? {
        // A name that is longer than any of ours can be is not worth comparing letter by letter.
        let letters = Array(name.utf8.prefix(128))
        return known.min { distance(letters, Array($0.utf8)) < distance(letters, Array($1.utf8)) }
    }

    /// Levenshtein's distance, one row at a time.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let substituted = diagonal + (letter == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[right.count]
    }
}
