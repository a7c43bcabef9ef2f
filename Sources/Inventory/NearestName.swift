/// Finds what somebody may have meant by a misspelt word.
enum NearestName {
    /// The closest of `names`, nil if none is close: at most a third of the letters may differ.
    static func suggestion(for word: String, among names: some Sequence<String>) -> String? {
        // A long word is no typing mistake, and the distance takes quadratic time.
        guard word.utf8.count <= 64 else { return nil }
        let best = names.map { (name: $0, distance: distance(word, $0)) }.min { $0.distance < $1.distance }
        guard let best, best.distance <= max(1, word.count / 3) else { return nil }
        return best.name
    }

    /// Levenshtein's: insertions, deletions and replacements that turn one word into the other.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right.unicodeScalars)
        var row = Array(0...right.count)
        for (index, scalar) in left.unicodeScalars.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (right[column] == scalar ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
