import InstanceDirectory
import MetadataModel
import Testing

/// Claims and findings by small numbers, so that a test reads as what it asserts.
func claim(_ number: UInt32, network: String = "net-a") throws -> Claim {
    let scope = Scope.network(try #require(ResourceID(network)))
    return Claim(scope: scope, subject: .fixedIP(.v4(0x0A00_0000 + number)))
}

func instance(_ name: String, project: String = "project-a") throws -> Instance {
    Instance(id: try #require(ResourceID(name)), projectID: try #require(ResourceID(project)))
}

func found(_ name: String) throws -> Result<Finding, DirectoryError> {
    .success(.instance(try instance(name)))
}

let nobody: Result<Finding, DirectoryError> = .success(.nobody(.noPort))
let away: Result<Finding, DirectoryError> = .failure(DirectoryError(.unreachable, "Nobody answers."))

extension InstanceLookup.Settings {
    static func storing(_ lifetime: Duration) -> Self { Self(positiveLifetime: lifetime) }
}
