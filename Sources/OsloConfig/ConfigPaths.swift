import Glibc

/// Where configuration files are looked for when the command line names none, and what a path on the command
/// line means.
struct ConfigPaths: Sendable {
    var program: String
    var project: String
    var environment: [String: String]
    var etcDirectory: String
    var workingDirectory: String

    static var currentDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }

    /// For the project and then for the program the first file that exists: at most two.
    func defaultFiles() -> [String] {
        names.compactMap { first($0 + ".conf") }
    }

    /// The same search for `NAME.conf.d` (since Ocata).
    func defaultDirectories() -> [String] {
        names.compactMap { first($0 + ".conf.d") }
    }

    /// `~` stands for the home directory at the start of a path; relative paths start from `workingDirectory`.
    func absolute(_ path: String) -> String {
        if path == "~" { return home }
        if path.hasPrefix("~/") { return Self.join(home, String(path.dropFirst(2))) }
        // An empty path names nothing, above all not the working directory.
        return path.isEmpty || path.hasPrefix("/") ? path : Self.join(workingDirectory, path)
    }

    private var names: [String] { project == program ? [project] : [project, program] }

    private func first(_ name: String) -> String? {
        searchedDirectories.map { Self.join($0, name) }.first(where: TextFile.exists)
    }

    private var searchedDirectories: [String] {
        var directories = [
            Self.join(home, "." + project), home, Self.join(etcDirectory, project), etcDirectory,
        ]
        for variable in ["SNAP_COMMON", "SNAP"] {
            guard let directory = environment[variable], !directory.isEmpty else { continue }
            directories.append(Self.join(directory, "etc/" + project))
        }
        return directories
    }

    /// A service may run without `HOME`. The user database is not asked, because that would load
    /// name-service libraries into every namespace proxy.
    private var home: String {
        if let home = environment["HOME"], !home.isEmpty { return home }
        return geteuid() == 0 ? "/root" : "/"
    }

    private static func join(_ directory: String, _ name: String) -> String {
        directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }
}
