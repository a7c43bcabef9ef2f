// swift-tools-version: 6.2
//
// Dependencies between targets point down only; read them from the bottom up.
// Set BELLHOP_STRICT=1 to turn every warning of our own targets into an error (CI does).

import PackageDescription

let strict = Context.environment["BELLHOP_STRICT"] == "1"

let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// One library target of ours under `Sources/NAME`.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A library on the path of every request. Debug builds, and so all unit tests, check at run time that no two accesses
/// to a variable overlap; release builds leave that out there: it was a fifth of a request's instructions
/// (docs/decisions/0010-hot-path.md).
func hotLibrary(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        swiftSettings: settings + [
            .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
        ]
    )
}

/// The unit tests of one target, under `Tests/NAMETests`.
func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.target(name: name), "TestSupport"] + (name == "MetadataModel" ? [] : ["MetadataModel"])
            + dependencies,
        swiftSettings: settings
    )
}

/// A program: `main.swift` and nothing else, so that everything it does can be tested as a library.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "bellhop",
    products: [
        .executable(name: "neutron-metadata-agent", targets: ["neutron-metadata-agent"]),
        .executable(name: "neutron-ns-metadata-proxy", targets: ["neutron-ns-metadata-proxy"]),
        .executable(name: "haproxy-standby", targets: ["haproxy-standby"]),
        .executable(name: "bellhop", targets: ["bellhop"]),
    ],
    dependencies: [
        // The HTTP client for Keystone and the Neutron API (control plane only).
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        // The HTTP server of the embedded Nova backend (standalone mode only).
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        // The command line of `bellhop`; the two daemons follow oslo.config's own rules.
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        // HMAC-SHA256 of the instance id.
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        // The logging interface that every target speaks; OsloLog is its handler.
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        // Start order, signals and shutdown of the long-lived parts.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        // What the two above are made of, where we name its types: addresses, buffers, TLS settings, header names.
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        // Inventory files.
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    ],
    targets: [
        // Words of the field: no I/O.
        library("MetadataModel"),

        // oslo's conventions: configuration files, command lines, log lines.
        library("OsloConfig"),
        hotLibrary("OsloLog", ["OsloConfig", "LinuxHost", .product(name: "Logging", package: "swift-log")]),

        // The host: fork, pid files, privileges, sockets, readiness to systemd.
        .target(name: "CLinuxHost"),
        library("LinuxHost", ["CLinuxHost"]),

        // The data plane, used by both daemons. No Foundation, no NIO: the proxy exists once per network.
        hotLibrary("HTTPWire"),
        .target(name: "CEpoll"),
        hotLibrary("RelayLoop", ["CEpoll", "LinuxHost"]),
        hotLibrary("RequestPath", ["MetadataModel", "HTTPWire", "RelayLoop", "LinuxHost"]),

        // What haproxy's command line and Neutron's haproxy.conf say. No Foundation, no NIO either.
        library("HaproxyConfig", ["MetadataModel"]),

        // Listening sockets on their way from a namespace's proxy to the agent.
        library("ListenerHandover", ["MetadataModel", "LinuxHost", "RelayLoop", "RequestPath"]),

        library("Standby"),

        // Who is asking.
        library("InstanceDirectory", ["MetadataModel", .product(name: "Logging", package: "swift-log")]),
        library(
            "Inventory",
            [
                "MetadataModel", "InstanceDirectory",
                .product(name: "Yams", package: "Yams"),
                .product(name: "Crypto", package: "swift-crypto"),
            ]
        ),
        library(
            "NeutronREST",
            [
                "MetadataModel", "InstanceDirectory",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        library(
            "OsloMessaging",
            ["CRabbitMQ", "CZlib", "CEpoll", "RelayLoop", .product(name: "Logging", package: "swift-log")]
        ),
        library(
            "NeutronRPC",
            [
                "MetadataModel", "InstanceDirectory", "OsloMessaging",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),

        // Nova: the real one as upstream, and our own for the standalone mode.
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        library(
            "NovaBackend",
            ["MetadataModel", "LinuxHost", "RelayLoop", "COpenSSL", .product(name: "Crypto", package: "swift-crypto")]
        ),
        library("NovaMetadata", ["MetadataModel", "Inventory"]),
        library(
            "EmbeddedNova",
            [
                "MetadataModel", "NovaMetadata", "Inventory",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),

        // The programs as libraries: options, wiring, life cycle.
        library(
            "NamespaceProxy",
            [
                "MetadataModel", "OsloConfig", "OsloLog", "LinuxHost", "HTTPWire", "RequestPath", "RelayLoop",
                "ListenerHandover", "HaproxyConfig", "Standby", "CEpoll",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        library(
            "MetadataAgent",
            [
                "MetadataModel", "OsloConfig", "OsloLog", "LinuxHost", "HTTPWire", "RequestPath", "RelayLoop",
                "InstanceDirectory", "Inventory", "NeutronREST", "OsloMessaging", "NeutronRPC", "NovaBackend",
                "ListenerHandover",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        library(
            "Standalone",
            [
                "MetadataModel", "MetadataAgent", "InstanceDirectory", "Inventory", "NovaBackend", "NovaMetadata",
                "EmbeddedNova", "RequestPath", "RelayLoop", "OsloLog", "LinuxHost",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),

        // Simulated guests, for operators and for our own measurements.
        .target(name: "CBootStorm"),
        library("BootStorm", ["CBootStorm", "CEpoll", "MetadataModel", "LinuxHost", "HTTPWire", "RelayLoop"]),

        program("neutron-metadata-agent", ["MetadataAgent", "OsloConfig", "LinuxHost"]),
        program("neutron-ns-metadata-proxy", ["NamespaceProxy", "OsloConfig"]),
        // Exists once per network, so it is linked statically: no relocations, and less than a tenth of a megabyte of its own.
        .executableTarget(
            name: "haproxy-standby",
            dependencies: ["CLinuxHost"],
            swiftSettings: settings,
            linkerSettings: [.unsafeFlags(["-static-executable"])]
        ),
        program(
            "bellhop",
            [
                "MetadataModel", "Standalone", "MetadataAgent", "Inventory", "OsloConfig", "OsloLog", "LinuxHost",
                "BootStorm", "RelayLoop",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]
        ),

        // Doubles and clocks shared by the unit tests.
        library("TestSupport", ["MetadataModel", "InstanceDirectory"]),

        tests("MetadataModel"),
        tests("OsloConfig"),
        tests("OsloLog"),
        tests("LinuxHost"),
        tests("HTTPWire"),
        tests("RelayLoop"),
        tests("RequestPath"),
        .testTarget(
            name: "HaproxyConfigTests",
            dependencies: ["HaproxyConfig", "MetadataModel", "TestSupport"],
            exclude: ["Configurations"],
            swiftSettings: settings
        ),
        tests(
            "InstanceDirectory",
            [
                .product(name: "Logging", package: "swift-log"),
                .product(name: "InMemoryLogging", package: "swift-log"),
            ]
        ),
        tests("Inventory"),
        tests(
            "NeutronREST",
            [
                "InstanceDirectory",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "InMemoryLogging", package: "swift-log"),
            ]
        ),
        tests(
            "OsloMessaging",
            [
                "CZlib",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "InMemoryLogging", package: "swift-log"),
            ]
        ),
        tests(
            "NeutronRPC",
            [
                "InstanceDirectory", "OsloMessaging",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "InMemoryLogging", package: "swift-log"),
            ]
        ),
        tests("NovaBackend"),
        tests("NovaMetadata"),
        tests("EmbeddedNova"),
        tests("BootStorm", ["RelayLoop"]),
        tests("NamespaceProxy", ["OsloConfig", "HaproxyConfig", "RelayLoop"]),
        tests("ListenerHandover", ["LinuxHost", "RelayLoop", "RequestPath"]),
        tests("Standby"),
        tests("MetadataAgent", ["OsloConfig", "OsloLog"]),
    ],
    swiftLanguageModes: [.v6]
)
