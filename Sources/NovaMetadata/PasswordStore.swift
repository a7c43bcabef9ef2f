import MetadataModel
import Synchronization

/// Keeps the encrypted administrator passwords that guests post about themselves.
public protocol PasswordStore: Sendable {
    /// What the instance posted, nil if nothing yet.
    func password(of instance: ResourceID) -> String?

    /// Keeps `password` unless one that is not empty is there; looking and keeping are one step, so that of
    /// two simultaneous posts one loses.
    ///
    /// - Throws: `PasswordStoreError` if it cannot be kept.
    func store(_ password: String, for instance: ResourceID) throws(PasswordStoreError) -> PasswordStoreOutcome
}

public enum PasswordStoreOutcome: Hashable, Sendable {
    case stored
    case alreadySet
}

public struct PasswordStoreError: Error, CustomStringConvertible, Sendable {
    /// One sentence with the file concerned, without the password.
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Forgets everything at exit.
public final class InMemoryPasswordStore: PasswordStore {
    private let passwords = Mutex<[ResourceID: String]>([:])

    public init() {}

    public func password(of instance: ResourceID) -> String? {
        passwords.withLock { $0[instance] }
    }

    public func store(_ password: String, for instance: ResourceID) -> PasswordStoreOutcome {
        passwords.withLock { passwords in
            guard passwords[instance, default: ""].isEmpty else { return .alreadySet }
            passwords[instance] = password
            return .stored
        }
    }
}
