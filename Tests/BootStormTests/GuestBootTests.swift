import RelayLoop
import Testing

@testable import BootStorm

/// Each test is a story: what the guest asks, what it is told, what it does next. The clock is a number.
@Suite struct GuestBootTests {
    // MARK: The straight way

    @Test func guestAsksWhatCloudInitAsksInItsOrder() {
        let told = Story(.release22, service: ScriptedService()).run()
        #expect(told.result.isComplete)
        #expect(told.result.instanceID == "f2b1c0de-0000-4000-8000-000000000010")
        #expect(told.result.lost.isEmpty && told.result.absent.isEmpty)
        #expect(told.result.requests == 28)
        #expect(
            told.targets == [
                "/openstack", "/openstack", "/openstack/2018-08-27/meta_data.json", "/openstack/2018-08-27/user_data",
                "/openstack/2018-08-27/vendor_data.json", "/openstack/2018-08-27/vendor_data2.json",
                "/openstack/2018-08-27/network_data.json", "/latest/meta-data/",
                "/latest/meta-data/block-device-mapping/", "/latest/meta-data/block-device-mapping/ami",
                "/latest/meta-data/block-device-mapping/root", "/latest/meta-data/placement/",
                "/latest/meta-data/placement/availability-zone", "/latest/meta-data/public-keys/",
                "/latest/meta-data/public-keys/0/openssh-key", "/latest/meta-data/ami-id",
                "/latest/meta-data/ami-launch-index", "/latest/meta-data/ami-manifest-path",
                "/latest/meta-data/hostname", "/latest/meta-data/instance-action", "/latest/meta-data/instance-id",
                "/latest/meta-data/instance-type", "/latest/meta-data/local-hostname", "/latest/meta-data/local-ipv4",
                "/latest/meta-data/public-hostname", "/latest/meta-data/public-ipv4",
                "/latest/meta-data/reservation-id", "/latest/meta-data/security-groups",
            ]
        )
    }

    @Test(arguments: GuestProfile.all) func everyReleaseBootsTheSameWay(_ profile: GuestProfile) {
        #expect(Story(profile, service: ScriptedService()).run().result.isComplete)
    }

    @Test func injectedFilesAndTheOldNetworkFileAreReadBeforeTheTree() {
        var service = ScriptedService()
        service["/openstack/2018-08-27/meta_data.json"] = .text(
            #"{"uuid": "u", "files": [{"path": "/etc/a", "content_path": "/content/0000"}, {"no": "path"}],"#
                + #" "network_config": {"content_path": "/content/0001"}}"#
        )
        service["/openstack/content/0000"] = .text("a")
        service["/openstack/content/0001"] = .text("auto lo")
        let told = Story(.release22, service: service).run()
        #expect(told.result.isComplete)
        #expect(Array(told.targets[7...9]) == ["/openstack/content/0000", "/openstack/content/0001", EC2Crawl.root])
    }

    @Test func newestKnownVersionOfTheListIsUsed() {
        var service = ScriptedService(version: "2013-04-04")
        service["/openstack"] = .text("2099-01-01\n 2013-04-04 \n2012-08-10\nlatest\n")
        #expect(Story(.release22, service: service).run().result.isComplete)
        service = ScriptedService(version: "latest")
        service["/openstack"] = .text("2099-01-01\nlatest")
        #expect(Story(.release22, service: service).run().result.isComplete)
    }

    @Test func listThatFailsTheSecondTimeMeansLatest() {
        var service = ScriptedService(version: "latest")
        service["/openstack"] = .sequence([.text("2018-08-27"), .status(500)])
        let told = Story(.release22, service: service).run()
        #expect(told.result.isComplete)
        #expect(told.targets[2] == "/openstack/latest/meta_data.json")
    }

    // MARK: The first question

    @Test(arguments: [400, 404, 429, 500, 502, 503, 504])
    func oldGuestTakesAnyErrorOfTheFirstQuestionForFinal(_ status: Int) {
        var service = ScriptedService()
        service["/openstack"] = .status(status, retryAfter: "2")
        let told = Story(.release22, service: service).run()
        #expect(told.result.noDataSource == .init(target: "/openstack", cause: .status(status)))
        #expect(told.targets == ["/openstack"])
        #expect(told.waits.isEmpty)
    }

    @Test(arguments: GuestProfile.all)
    func guestThatGetsNoAnswerToItsFirstQuestionGivesUp(_ profile: GuestProfile) {
        for failure in [CallFailure.refused, .timedOut, .connectTimedOut, .closed, .malformed] {
            var service = ScriptedService()
            service["/openstack"] = .failure(failure)
            let told = Story(profile, service: service).run()
            #expect(told.result.noDataSource == .init(target: "/openstack", cause: .failure(failure)))
            #expect(told.result.requests == 1)
        }
    }

    @Test(arguments: GuestProfile.all) func emptyListIsNoMetadataService(_ profile: GuestProfile) {
        var service = ScriptedService()
        service["/openstack"] = .text("")
        let told = Story(profile, service: service).run()
        #expect(told.result.noDataSource == .init(target: "/openstack", cause: .unreadable))
    }

    @Test func newGuestWaitsAfterA503AsLongAsItIsTold() {
        var service = ScriptedService()
        service["/openstack"] = .sequence([
            .status(503, retryAfter: "2"), .status(503), .status(503, retryAfter: "Fri, 31 Dec 1999 23:59:59 GMT"),
            .text("2018-08-27"),
        ])
        let told = Story(.release26, service: service).run()
        #expect(told.result.isComplete)
        // The IPv6 address is asked first, each time; a date counts as a second.
        #expect(told.waits == [150, 2_150, 1_150, 1_150])
    }

    @Test func newGuestWaitsWithoutEnd() {
        var service = ScriptedService(version: "latest")
        let away = [ScriptedService.Answer](repeating: .status(503), count: 500)
        service["/openstack"] = .sequence(away + [.text("latest")])
        #expect(Story(.release26, service: service).run().result.isComplete)
    }

    @Test(arguments: ["0", "-1", "0.0"]) func retryAfterOfNothingMakesTheNewGuestGiveUp(_ text: String) {
        var service = ScriptedService()
        service["/openstack"] = .status(503, retryAfter: text)
        let told = Story(.release26, service: service).run()
        #expect(told.result.noDataSource == .init(target: "/openstack", cause: .status(503)))
    }

    @Test(arguments: [404, 429, 500, 504]) func newGuestTakesOtherErrorsForFinalToo(_ status: Int) {
        var service = ScriptedService()
        service["/openstack"] = .status(status, retryAfter: "1")
        let told = Story(.release26, service: service).run()
        #expect(told.result.noDataSource == .init(target: "/openstack", cause: .status(status)))
    }

    @Test func patienceIsTenSecondsOfSilenceAndForTheNewFirstQuestionInAll() {
        var old = GuestBoot(profile: .release22)
        #expect(old.begin(now: at(0)) == .request(target: "/openstack", patience: Patience(silence: .seconds(10))))
        var new = GuestBoot(profile: .release26)
        #expect(new.begin(now: at(0)) == .wait(.milliseconds(150)))
        // Both addresses together have ten seconds.
        let patience = Patience(silence: .seconds(10), total: .milliseconds(9_850))
        #expect(new.waited(now: at(150)) == .request(target: "/openstack", patience: patience))
        var onIPv6 = GuestBoot(profile: .release26, isIPv6: true)
        let whole = Patience(silence: .seconds(10), total: .seconds(10))
        #expect(onIPv6.begin(now: at(0)) == .request(target: "/openstack", patience: whole))
    }
}

private func at(_ milliseconds: UInt64) -> LoopInstant {
    LoopInstant(nanoseconds: milliseconds * 1_000_000)
}
