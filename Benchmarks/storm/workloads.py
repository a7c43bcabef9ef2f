"""The workloads: what guests do, and what happens to the chain meanwhile."""

import dataclasses
import json
import os
import threading

OLD, NEW = "cloud-init-22.4", "cloud-init-26"


@dataclasses.dataclass
class Workload:
    """One line of the table for each chain. Times of Nova and of look-ups are in milliseconds."""

    name: str
    guests: int = 200
    networks: int = 50
    nova: int = 50
    lookup: int = 10
    profile: str = OLD
    # Seconds over which guests begin; 0 for all at once.
    arrival: float = 0
    # For every so manieth instance this document takes so many milliseconds: (20, "user_data", 4000).
    slow: tuple = ()
    # Seconds after which these appear.
    nova_after: float = 0
    ports_after: float = 0
    bus_after: float = 0
    # The agent is restarted so many seconds into the storm.
    restart_after: float = 0
    hostile: int = 0
    # Guests poll every so many seconds, for so many, and so many percent of them are abusive.
    poll: float = 0
    seconds: float = 0
    abusive: float = 0
    in_namespace: bool = False

    def storm_words(self, limit):
        words = [f"--guests={self.guests}", f"--profile={self.profile}", f"--seconds={self.seconds or limit}"]
        if self.poll:
            words += [f"--poll={self.poll}", f"--abusive={self.abusive}"]
        else:
            words += ["--expect-user-data", f"--arrival={self.arrival}"]
        return words + [f"--hostile={self.hostile}"]

    def events(self, chain, nova, neutron):
        """What happens while guests ask: (seconds, what to do)."""
        return [
            (seconds, act)
            for seconds, act in (
                (self.nova_after, nova.start),
                (self.ports_after, neutron.bring_ports),
                (self.bus_after, neutron.wire.restore),
                (self.restart_after, chain.restart_agent),
            )
            if seconds
        ]


class Events:
    """Does each at its time, on a thread of its own; `join` says what failed."""

    def __init__(self, events):
        self.failure = None
        self._ended = threading.Event()
        in_order = sorted(events, key=lambda event: event[0])
        self._thread = threading.Thread(target=self._run, args=(in_order,), daemon=True)
        self._thread.start()

    def _run(self, events):
        past = 0.0
        for seconds, act in events:
            if self._ended.wait(seconds - past):
                return
            past = seconds
            try:
                act()
            except Exception as failure:  # told to whoever waits for the storm
                self.failure = failure
                return

    def join(self):
        self._ended.set()
        self._thread.join(60)
        if self.failure:
            raise self.failure


def quick():
    """Each kind once, small: the Python agent takes seconds to start, so none is there twice."""
    small = {"guests": 20, "networks": 4, "nova": 5, "lookup": 2}
    return [
        Workload("one boot", 1, 1, 5, 2, in_namespace=os.geteuid() == 0),
        Workload("20 guests, user data of 5 % takes 2 s", **{**small, "slow": (20, "user_data", 2_000)}),
        Workload("Nova 2 s late", **{**small, "guests": 8, "nova_after": 2}),
        Workload("ports 2 s late", **{**small, "guests": 8, "ports_after": 2}),
        Workload("bus 2 s late", **{**small, "guests": 8, "bus_after": 2}),
        Workload("agent restarted", **{**small, "arrival": 1.5, "restart_after": 0.5}),
        Workload("12 hostile clients", **{**small, "hostile": 12}),
        Workload("60 guests poll, 2 abusive", 60, 4, 5, 2, poll=1, seconds=3, abusive=3),
    ]


def full():
    """One thing is changed at a time, around 200 guests, 50 networks, Nova at 50 ms and look-ups at 10 ms."""
    made = [Workload("one boot", 1, 1, 5, 2)]
    made += [Workload(f"{count} guests at once", guests=count) for count in (50, 200, 1_000)]
    made += [Workload(f"200 guests, {count} networks", networks=count) for count in (1, 500)]
    made += [Workload(f"Nova at {milliseconds} ms", nova=milliseconds) for milliseconds in (5, 500)]
    made += [Workload(f"look-ups at {milliseconds} ms", lookup=milliseconds) for milliseconds in (2, 100)]
    made += [
        Workload("1,000 guests, 500 networks, Nova 500 ms, look-ups 100 ms", 1_000, 500, 500, 100),
        Workload("user data of 5 % takes 4 s", slow=(20, "user_data", 4_000)),
    ]
    for seconds in (2, 6, 8):
        for name, option in (("Nova", "nova_after"), ("ports", "ports_after"), ("bus", "bus_after")):
            made.append(Workload(f"{name} {seconds} s late", 50, nova=5, **{option: seconds}))
    for name, option in (("Nova", "nova_after"), ("bus", "bus_after")):
        made.append(Workload(f"{name} 20 s late, {NEW}", 50, nova=5, profile=NEW, **{option: 20}))
    made += [
        Workload("agent restarted", arrival=10, restart_after=4),
        Workload(f"agent restarted, {NEW}", profile=NEW, arrival=10, restart_after=4),
        Workload("100 hostile clients", arrival=10, hostile=100),
        Workload("2,000 guests poll, 20 abusive", 2_000, 50, 5, poll=10, seconds=40, abusive=1),
        Workload("in a namespace", 20, 1, in_namespace=True),
    ]
    return made


def matrix():
    """Every size with every number of networks, Nova and look-up time."""

    def name(guests, networks, nova, lookup):
        return f"{guests} guests, {networks} networks, Nova {nova} ms, look-ups {lookup} ms"

    return [
        Workload(name(guests, networks, nova, lookup), guests, networks, nova, lookup)
        for guests in (50, 200, 1_000)
        for networks in (1, 50, 500)
        for nova in (5, 50, 500)
        for lookup in (2, 10, 100)
        if networks <= guests
    ]


def split_by_slowness(details, guest_of_address, every):
    """What became of the guests whose document is slow (True), and of all others (False)."""
    groups = {}
    boots = [json.loads(line) for line in details.read_text().splitlines()]
    for slow in (False, True):
        mine = [boot for boot in boots if (guest_of_address[boot["address"]] % every == 0) == slow]
        outcomes = [boot["outcome"] for boot in mine]
        begun = sum((guest % every == 0) == slow for guest in guest_of_address.values())
        groups[slow] = {
            "begun": begun,
            "complete": outcomes.count("complete"),
            "partial": outcomes.count("partial"),
            "none": outcomes.count("no data source"),
            "unfinished": begun - len(mine),
            "seconds": sorted(boot["seconds"] for boot in mine if boot["outcome"] != "no data source"),
        }
    return groups
