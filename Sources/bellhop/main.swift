import ArgumentParser
import LinuxHost

// Before the first await: see SignalSource.process. A failure is reported by whoever asks for the signals.
_ = SignalSource.process

await Bellhop.main(nil)
