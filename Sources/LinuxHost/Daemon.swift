import CLinuxHost
import Glibc

/// Going into the background the way W. Richard Stevens describes it, as Neutron's proxies did.
public enum Daemon {
    /// Opens /dev/null for those of the descriptors 0, 1 and 2 that are closed.
    ///
    /// Call it first of all: otherwise a pid file or a listener could get one of these numbers, and
    /// `daemonize()` would then replace it.
    public static func occupyStandardDescriptors() {
        for descriptor: CInt in 0...2 where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            // open(2) takes the lowest free number, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// Forks twice and returns in the daemon only: its own session, directory `/`, umask 0, standard
    /// descriptors on /dev/null, everything else (log file, pid file with its lock) kept.
    ///
    /// **Must be called before the process has a second thread**: a fork copies the calling thread only, and
    /// whatever lock another thread held stays locked for ever (in Neutron's agent, LP 1594439).
    ///
    /// The original's parent left with status 0 at once, so an agent never learnt that a proxy could not
    /// bind. Here the parent waits until the daemon says through a pipe that it serves, and leaves with the
    /// daemon's status and sentence. The parents leave by `_exit`, so that nothing registered to run at
    /// exit runs twice (Neutron Liberty).
    ///
    /// - Parameter startSecondsMax: how long the parent waits for the daemon's word before it gives up.
    /// - Returns: where the daemon says how its start went.
    public static func daemonize(startSecondsMax: Int) throws(HostError) -> StartReport {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failed("make a pipe", errno) }
        let (reading, writing) = (ends[0], ends[1])
        _ = fcntl(writing, F_SETFD, FD_CLOEXEC)
        SignalSource.ignoreBrokenPipes()
        fflush(nil)

        let child = clinuxhost_fork()
        guard child >= 0 else {
            let reason = errno
            close(reading)
            close(writing)
            throw failed("fork", reason)
        }
        if child > 0 {
            close(writing)
            StartReport.awaitAndExit(reading, child: child, secondsMax: startSecondsMax)
        }
        close(reading)
        let report = StartReport(descriptor: writing)

        guard chdir("/") == 0 else { report.failedInChild("change to the directory /", errno) }
        guard setsid() >= 0 else { report.failedInChild("start a session", errno) }
        umask(0)

        let grandchild = clinuxhost_fork()
        guard grandchild >= 0 else { report.failedInChild("fork", errno) }
        if grandchild > 0 { _exit(0) }

        // By number: what a library calls standard output may long be something else (Neutron Liberty).
        let null = open("/dev/null", O_RDWR)
        guard null >= 0 else { report.failedInChild("open /dev/null", errno) }
        for descriptor: CInt in 0...2 where dup2(null, descriptor) < 0 {
            report.failedInChild("redirect descriptor \(descriptor)", errno)
        }
        if null > 2 { close(null) }
        return report
    }

    private static func failed(_ verb: String, _ reason: CInt) -> HostError {
        HostError(
            .daemonNotStarted,
            "Cannot \(verb) while going into the background: \(systemReason(reason)).",
            errorNumber: reason
        )
    }
}
