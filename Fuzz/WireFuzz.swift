// The libFuzzer target for HTTPWire. `Fuzz/run` builds it together with the checks of Tests/HTTPWireTests, so that the
// fuzzer and the tests mean the same promises.

import HTTPWire

/// Every input is tried as a request, as an answer and as a chunked body. The seed for splits and limits comes from the
/// input itself: a file found once fails again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let seed = bytes.reduce(14_695_981_039_346_656_037 as UInt64) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    if let violation = WireInvariants.violation(bytes, seed: seed) {
        fatalError(violation)
    }
    return 0
}
