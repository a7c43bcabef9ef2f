import RelayLoop

/// How a guest's boot ended.
public struct BootResult: Equatable, Sendable {
    /// What a guest can lose and boot all the same.
    public enum Part: Int, CaseIterable, Hashable, Sendable {
        case userData
        case vendorData
        case networkData
        case ec2Tree
    }

    /// Why the guest has no data source: it boots with no keys, no name and no user data.
    public struct NoDataSource: Hashable, Sendable {
        public enum Cause: Hashable, Sendable {
            case status(Int)
            case failure(CallFailure)
            /// Nothing in the answer, or nothing that the guest can read.
            case unreadable
        }

        /// The target, or for the first question `/openstack`.
        public var target: String
        public var cause: Cause
    }

    /// Nil for a boot that found its data source.
    public var noDataSource: NoDataSource?
    /// Lost because of an error.
    public var lost: Set<Part> = []
    /// Answered 404: the instance has none, or so they say.
    public var absent: Set<Part> = []
    /// From `meta_data.json`.
    public var instanceID: String?
    public var requests = 0
    public var duration = LoopSpan.zero

    /// Everything that the service has for the guest arrived.
    public var isComplete: Bool { noDataSource == nil && lost.isEmpty }
}
