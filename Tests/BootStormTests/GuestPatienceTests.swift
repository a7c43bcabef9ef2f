import RelayLoop
import Testing

@testable import BootStorm

/// When a guest asks again for a document or an item of the tree, and what it goes without in the end.
@Suite struct GuestPatienceTests {
    private static let metadata = "/openstack/2018-08-27/meta_data.json"
    private static let userData = "/openstack/2018-08-27/user_data"

    /// How many times a document is asked for when each answer is this.
    @Test(arguments: [
        (GuestProfile.release22, 404, 1), (.release22, 429, 1), (.release22, 500, 1), (.release22, 503, 1),
        (.release26, 404, 1), (.release26, 403, 1), (.release26, 408, 6), (.release26, 429, 6), (.release26, 500, 6),
        (.release26, 501, 1), (.release26, 502, 6), (.release26, 503, 6), (.release26, 504, 6),
    ])
    func documentsAreAskedForAgainAfterStatuses(_ profile: GuestProfile, _ status: Int, _ times: Int) {
        var service = ScriptedService()
        service[Self.userData] = .status(status, retryAfter: "5")
        let told = Story(profile, service: service).run()
        #expect(told.targets.count { $0 == Self.userData } == times)
        #expect(told.result.noDataSource == nil)
        // Not as long as Retry-After says: a second each time.
        #expect(told.waits.filter { $0 != 150 } == [UInt64](repeating: 1_000, count: times - 1))
        #expect(told.result.lost == (status == 404 ? [] : [.userData]))
        #expect(told.result.absent == (status == 404 ? [.userData] : []))
        #expect(told.result.isComplete == (status == 404))
    }

    @Test(arguments: GuestProfile.all) func failuresAreTriedSixTimes(_ profile: GuestProfile) {
        for failure in [CallFailure.refused, .timedOut, .reset, .closed] {
            var service = ScriptedService()
            service[Self.userData] = .failure(failure)
            let told = Story(profile, service: service).run()
            #expect(told.targets.count { $0 == Self.userData } == 6)
            #expect(told.result.lost == [.userData])
        }
    }

    @Test(arguments: GuestProfile.all) func documentThatComesAtTheSixthAttemptIsTaken(_ profile: GuestProfile) {
        var service = ScriptedService()
        let failures = [ScriptedService.Answer](repeating: .failure(.timedOut), count: 5)
        service[Self.metadata] = .sequence(failures + [.text(#"{"uuid": "u"}"#)])
        #expect(Story(profile, service: service).run().result.isComplete)
    }

    @Test func bootFailsWithoutMetadata() {
        for (answer, cause) in [
            (ScriptedService.Answer.status(500), BootResult.NoDataSource.Cause.status(500)),
            (.status(404), .status(404)), (.failure(.reset), .failure(.reset)), (.text("<html>"), .unreadable),
            (.text("[1]"), .unreadable), (.text(""), .unreadable),
        ] {
            var service = ScriptedService()
            service[Self.metadata] = answer
            let told = Story(.release22, service: service).run()
            #expect(told.result.noDataSource == .init(target: Self.metadata, cause: cause))
        }
    }

    @Test func metadataWithoutAnIDFailsAtTheVeryEnd() {
        var service = ScriptedService()
        service[Self.metadata] = .text(#"{"name": "x"}"#)
        let told = Story(.release22, service: service).run()
        #expect(told.result.noDataSource == .init(target: Self.metadata, cause: .unreadable))
        #expect(told.result.requests == 28)
    }

    @Test func brokenDocumentCostsTheDataSourceAndAMissingOneOnlyItself() {
        for name in ["vendor_data.json", "vendor_data2.json", "network_data.json"] {
            let target = "/openstack/2018-08-27/\(name)"
            let part: BootResult.Part = name == "network_data.json" ? .networkData : .vendorData
            for broken in ["", "{", "7", "null"] {
                var service = ScriptedService()
                service[target] = .text(broken)
                let told = Story(.release22, service: service).run()
                #expect(told.result.noDataSource == .init(target: target, cause: .unreadable), "\(name) \(broken)")
            }
            for fine in ["{}", "[]", "\"text\""] {
                var service = ScriptedService()
                service[target] = .text(fine)
                #expect(Story(.release22, service: service).run().result.isComplete, "\(name) \(fine)")
            }
            var service = ScriptedService()
            service[target] = .status(500)
            #expect(Story(.release22, service: service).run().result.lost == [part])
        }
    }

    @Test func injectedFileThatCannotBeReadCostsTheDataSource() {
        var service = ScriptedService()
        service[Self.metadata] = .text(#"{"uuid": "u", "files": [{"path": "/a", "content_path": "/content/0000"}]}"#)
        service["/openstack/content/0000"] = .status(404)
        let told = Story(.release22, service: service).run()
        #expect(told.result.noDataSource == .init(target: "/openstack/content/0000", cause: .status(404)))
        service[Self.metadata] = .text(#"{"uuid": "u", "files": [{"path": "/a"}]}"#)
        #expect(Story(.release22, service: service).run().result.noDataSource?.cause == .unreadable)
    }

    // MARK: Bodies cut short

    @Test func oldGuestTakesACutBodyForWholeAndTheNewOneAsksAgain() {
        let cut = ScriptedService.Answer.cut("#cloud-con")
        var service = ScriptedService()
        service[Self.userData] = .sequence([cut, .text("#cloud-config")])
        let old = Story(.release22, service: service).run()
        #expect(old.result.isComplete)
        #expect(old.targets.count { $0 == Self.userData } == 1)
        service[Self.userData] = .sequence([cut, .text("#cloud-config")])
        let new = Story(.release26, service: service).run()
        #expect(new.result.isComplete)
        #expect(new.targets.count { $0 == Self.userData } == 2)
    }

    // MARK: The EC2 tree

    /// In the tree any error is tried again.
    @Test(arguments: [404, 500]) func itemOfTheTreeIsTriedSixTimesAndThenCostsTheTree(_ status: Int) {
        for profile in GuestProfile.all {
            var service = ScriptedService()
            let item = "/latest/meta-data/placement/availability-zone"
            service[item] = .status(status)
            let told = Story(profile, service: service).run()
            #expect(told.targets.count { $0 == item } == 6)
            #expect(told.targets.last == item)
            #expect(told.result.lost == [.ec2Tree])
            #expect(told.result.noDataSource == nil)
        }
    }

    @Test func oldGuestCountsA503InTheTreeAndTheNewOneWaits() {
        let item = "/latest/meta-data/hostname"
        let away = ScriptedService.Answer.status(503, retryAfter: "3")
        var service = ScriptedService()
        service[item] = .sequence([ScriptedService.Answer](repeating: away, count: 9) + [.text("web")])
        let new = Story(.release26, service: service).run()
        #expect(new.result.isComplete)
        #expect(new.waits.filter { $0 == 3_000 }.count == 9)
        service[item] = away
        let old = Story(.release22, service: service).run()
        #expect(old.result.lost == [.ec2Tree])
        #expect(old.waits == [1_000, 1_000, 1_000, 1_000, 1_000])
    }

    @Test func afterManyWaitsTheNewGuestHasNoAttemptLeftForAnotherError() {
        let item = "/latest/meta-data/hostname"
        var service = ScriptedService()
        let away = ScriptedService.Answer.status(503, retryAfter: "1")
        service[item] = .sequence([ScriptedService.Answer](repeating: away, count: 6) + [.status(500), .text("web")])
        #expect(Story(.release26, service: service).run().result.lost == [.ec2Tree])
    }

    @Test func endlessTreeEndsTheBootAtABound() {
        var service = ScriptedService()
        for depth in 0...EC2Crawl.depthMax {
            service[EC2Crawl.root + String(repeating: "a/", count: depth)] = .text("a/")
        }
        #expect(Story(.release22, service: service).run().result.lost == [.ec2Tree])
        service = ScriptedService()
        service[EC2Crawl.root] = .text((0..<5_000).map { "leaf-\($0)" }.joined(separator: "\n"))
        service.other = .text("x")
        let told = Story(.release22, service: service).run()
        #expect(told.result.lost == [.ec2Tree])
        #expect(told.result.requests == GuestBoot.requestsMax)
    }

    @Test func durationIsFromTheFirstQuestionToTheLastAnswer() {
        let told = Story(.release22, service: ScriptedService(), answerAfter: 10).run()
        #expect(told.result.duration == .milliseconds(280))
    }
}
