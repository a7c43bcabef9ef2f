/// The answer to "who is asking": a Nova instance and the project that owns its **port**.
///
/// The project comes from the port and never from the instance: Nova compares the two and refuses a port
/// whose `device_id` names another project's instance (CVE-2013-6419).
public struct Instance: Hashable, Sendable {
    /// The port's `device_id`.
    public let id: ResourceID
    /// The port's `project_id`, or `tenant_id` on servers before Newton.
    public let projectID: ResourceID

    public init(id: ResourceID, projectID: ResourceID) {
        self.id = id
        self.projectID = projectID
    }
}
