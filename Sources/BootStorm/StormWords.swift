import LinuxHost

/// The report's words for what can happen.
extension BootResult.Part {
    public var name: String {
        switch self {
        case .userData: "user data"
        case .vendorData: "vendor data"
        case .networkData: "network data"
        case .ec2Tree: "EC2 tree"
        }
    }
}

extension CallFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .connectTimedOut: "connecting timed out"
        case .timedOut: "timed out"
        case .refused: "refused"
        case .reset: "reset"
        case .closed: "closed without a whole answer"
        case .malformed: "not HTTP"
        case .network(let code): "network: \(systemReason(code))"
        case .local(let code): "this machine: \(systemReason(code))"
        }
    }
}

extension BootResult.NoDataSource: CustomStringConvertible {
    public var description: String {
        switch cause {
        case .status(let status): "\(target): \(status)"
        case .failure(let failure): "\(target): \(failure)"
        case .unreadable: "\(target): unreadable"
        }
    }
}
