/// What Python's `str.strip()` takes for a blank, which decides where a value in a file begins and ends.
extension Unicode.Scalar {
    var isBlank: Bool {
        if value < 0x80 { return (0x09...0x0D).contains(value) || (0x1C...0x20).contains(value) }
        return properties.isWhitespace
    }
}

extension StringProtocol {
    /// Without blanks at the end.
    var trimmedEnd: Substring {
        var text = Substring(self).unicodeScalars
        while let last = text.last, last.isBlank { text.removeLast() }
        return Substring(text)
    }

    /// Without blanks at the start.
    var trimmedStart: Substring {
        Substring(Substring(self).unicodeScalars.drop { $0.isBlank })
    }

    /// Without blanks at both ends.
    var trimmed: Substring { trimmedEnd.trimmedStart }
}
