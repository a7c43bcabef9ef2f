import Foundation
import Glibc
import Testing

/// Certificates made by the openssl command, once per test run.
final class Certificates: Sendable {
    let directory: String

    private static let result = Result {
        let certificates = try Certificates()
        // A static is never deinitialised.
        atexit { try? FileManager.default.removeItem(atPath: Certificates.directoryOfRun) }
        return certificates
    }

    private static let directoryOfRun = "\(FileManager.default.temporaryDirectory.path)/bellhop-tls-\(getpid())"

    static func shared() throws -> Certificates {
        try result.get()
    }

    private init() throws {
        directory = Self.directoryOfRun
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try run("/bin/sh", ["-ec", Self.script])
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        let complaints = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = complaints
        try process.run()
        let text = String(decoding: complaints.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(text)")
    }

    /// Two authorities (`ca`, `otherca`), server certificates signed by the first (`good`, `name`, `expired`),
    /// and client certificates (`client`, `stranger`, and two ways to encrypt the key of the former).
    private static let script = """
        key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
        authority() {
            key "$1"
            openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 2 -out "$1.pem" \
                -addext keyUsage=critical,keyCertSign
        }
        signed() {  # NAME AUTHORITY DAYS EXTENSION
            key "$1"
            openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
            printf '%s\\n' "$4" > "$1.ext"
            openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$3" \
                -extfile "$1.ext" -out "$1.pem"
        }
        authority ca
        authority otherca
        signed good ca 2 'subjectAltName=DNS:nova.test,IP:127.0.0.1,IP:::1'
        signed name ca 2 'subjectAltName=DNS:elsewhere.test,IP:192.0.2.1'
        signed expired ca -1 'subjectAltName=DNS:nova.test'
        signed client ca 2 'extendedKeyUsage=clientAuth'
        signed stranger otherca 2 'extendedKeyUsage=clientAuth'
        openssl ec -in client.key -aes128 -passout pass:secret -out client-locked.key
        openssl pkcs8 -topk8 -in client.key -passout pass:secret -out client-locked8.key
        openssl genrsa -out rsa.key 2048
        echo 'not a certificate' > rubbish.pem
        mkdir rehashed
        cp ca.pem rehashed/ca.pem
        openssl rehash rehashed
        """
}
