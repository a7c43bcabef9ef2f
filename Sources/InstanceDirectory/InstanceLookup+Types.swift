extension InstanceLookup {
    /// Bounds and times of a lookup.
    public struct Settings: Sendable {
        /// How long an instance, once found, answers later requests. `.zero` stores nothing; equal requests
        /// at the same time still share one lookup.
        public var positiveLifetime: Duration
        /// The most instances kept, and apart from them the most pauses. Beyond it the oldest is dropped.
        public var entriesMax = 10_000
        /// How long after a lookup that found nobody the same claim gets that answer again without asking.
        /// It spaces lookups out; it is far too short to keep a guest from its data (LP 1460177's era stored
        /// "nobody" as long as an instance, and a guest that asked too early kept getting 404).
        public var nobodyPause: Duration = .milliseconds(500)
        /// The same after a lookup that failed.
        public var failurePause: Duration = .milliseconds(200)
        /// The most questions put to the directory at one time. Further ones queue, first come first served.
        public var concurrentLookupsMax = 64
        /// The most callers that may wait, for a running lookup or a queued one. Further ones are told at once
        /// that the directory is unavailable.
        public var waitingMax = 4_096
        /// When a question counts as failed.
        public var lookupTimeout: Duration = .seconds(30)

        public init(positiveLifetime: Duration) {
            self.positiveLifetime = positiveLifetime
        }
    }

    /// How old an answer may be.
    public enum Freshness: Sendable {
        /// Whatever is stored will do.
        case cached
        /// What is stored may be outdated: Nova did not know the instance, whose port may belong to a new
        /// one by now (LP 1868867). Only a lookup that starts after this request answers it, or one that ended
        /// less than a pause before it.
        case fresh
    }

    /// What a lookup found, and how far it may be relied on.
    public struct Answer: Sendable, Equatable {
        public let finding: Finding
        /// How much longer a caller may keep a copy of its own. `.zero` for "nobody" and where nothing is stored.
        public let lifetime: Duration
        /// How long ago the directory was asked.
        public let askedAgo: Duration
    }

    /// What has happened since the start, and what there is now.
    public struct Counters: Sendable, Equatable {
        /// Requests answered from a stored instance.
        public internal(set) var hits: UInt64 = 0
        /// Requests answered from the pause after a lookup that found nobody or failed.
        public internal(set) var paused: UInt64 = 0
        /// Requests that had to wait for a lookup, those that joined one included.
        public internal(set) var misses: UInt64 = 0
        /// Requests among the misses that shared the lookup of another one.
        public internal(set) var joined: UInt64 = 0
        /// Questions put to the directory.
        public internal(set) var lookups: UInt64 = 0
        /// Questions that brought no answer, those that timed out included.
        public internal(set) var failures: UInt64 = 0
        /// Requests turned away because too many wait.
        public internal(set) var refused: UInt64 = 0
        /// Requests whose callers stopped waiting.
        public internal(set) var abandoned: UInt64 = 0

        /// Instances stored now, expired ones included until they are dropped.
        public internal(set) var storedNow = 0
        /// Callers waiting now.
        public internal(set) var waitingNow = 0
        /// Lookups running now.
        public internal(set) var runningNow = 0
        /// Lookups in the queue now.
        public internal(set) var queuedNow = 0
    }
}
