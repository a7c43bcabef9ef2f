import COpenSSL
import Glibc
import LinuxHost
import RelayLoop

/// The calling thread's queue of OpenSSL errors. It must be empty before a call whose failure is to be
/// explained, because `SSL_get_error` looks at it too (SSL_get_error(3)).
enum OpenSSLErrorQueue {
    struct Entry: Equatable {
        var library: CInt
        var reason: CInt
        var text: String
    }

    static func clear() {
        ERR_clear_error()
    }

    /// Takes the oldest entry, which is the one nearest to the cause, and drops the rest.
    static func take() -> Entry? {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return nil }
        let library = cnova_error_library(code)
        let reason = cnova_error_reason(code)
        if library == ERR_LIB_SYS {
            return Entry(library: library, reason: reason, text: systemReason(reason))
        }
        let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(library)/\(reason)"
        return Entry(library: library, reason: reason, text: text)
    }
}
