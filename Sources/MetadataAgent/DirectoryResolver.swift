import InstanceDirectory
import MetadataModel
import NovaBackend
import RelayLoop
import RequestPath
import Synchronization

/// Between the relay loops and the directory: takes a loop's question to the lookup, signs what it finds, and
/// delivers the answer back to the loop.
final class DirectoryResolver: ClaimResolver {
    private let lookup: InstanceLookup
    private let signer: Mutex<InstanceSigner>

    init(lookup: InstanceLookup, signer: InstanceSigner) {
        self.lookup = lookup
        self.signer = Mutex(signer)
    }

    /// Signs with another secret from now on.
    func replace(signer: InstanceSigner) {
        self.signer.withLock { $0 = signer }
    }

    func resolve(_ claim: Claim, isFresh: Bool, reply: ResolutionReply) {
        Task {
            let result = await lookup.find(claim, isFresh ? .fresh : .cached)
            reply.deliver(resolution(of: result))
        }
    }

    private func resolution(of result: Result<InstanceLookup.Answer, DirectoryError>) -> Resolution {
        switch result {
        case .success(let answer):
            switch answer.finding {
            case .instance(let instance):
                let headers = signer.withLock { $0 }.headerBlock(for: instance)
                return .instance(SignedInstance(instance, headers: headers), lifetime: LoopSpan(answer.lifetime))
            case .nobody(let reason):
                return .nobody(reason)
            }
        case .failure(let error):
            return error.waitingCanHelp ? .away : .failed
        }
    }
}

extension LoopSpan {
    /// Negative durations become zero.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .seconds(Double(seconds) + Double(attoseconds) / 1e18)
    }
}
