import ArgumentParser
import Glibc
import LinuxHost

// Before any other thread: see SignalSource.process. A failure is reported by whoever asks for the signals.
_ = SignalSource.process

// Not awaited here: an asynchronous main thread waits with an empty signal mask, and signals would end the process.
Task.detached {
    await Bellhop.main(nil)
    exit(0)
}

while true { pause() }
