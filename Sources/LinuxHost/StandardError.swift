import Glibc

/// The last words of a program that cannot start, where the one who started it looks first.
public enum StandardError {
    /// Writes one sentence and its line end. A closed descriptor is no reason to do anything else.
    public static func write(_ sentence: String) {
        let line = Array((sentence.hasSuffix("\n") ? sentence : sentence + "\n").utf8)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }
}
