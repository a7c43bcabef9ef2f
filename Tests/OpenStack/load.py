"""Guests that ask again and again while a test breaks something, and a judgement of what they got."""

import collections
import threading
import time

from Harness.openstack import DOCUMENT


class Load:
    """Each guest asks for its document, one request after another, from `start` until `stop`."""

    def __init__(self, front, guests, pause=0.2):
        """`pause` is in seconds, between an answer and the guest's next request."""
        self.front, self.guests, self.pause = front, list(guests), pause
        self.answers = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(guest,), daemon=True) for guest in self.guests]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for_answers(2)
        return self

    def __exit__(self, *_):
        self.stop()

    def _ask(self, guest):
        while not self._ended.is_set():
            self.answers.append((guest, self.front.ask(guest, DOCUMENT)))
            self._ended.wait(self.pause)

    def wait_for_answers(self, count, seconds=60):
        """Until each guest has got `count` more answers."""
        before = collections.Counter(guest.name for guest, _ in self.answers)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = collections.Counter(guest.name for guest, _ in list(self.answers))
            if all(now[guest.name] - before[guest.name] >= count for guest in self.guests):
                return
            time.sleep(0.05)
        raise AssertionError(f"no answers within {seconds} s: {self.summary}")

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(70)

    @property
    def summary(self):
        return dict(collections.Counter(answer.status for _, answer in list(self.answers)))

    @property
    def slowest(self):
        return max(answer.seconds for _, answer in self.answers)

    def wrong_identities(self):
        """Answers with another instance's data: the one thing that may never happen."""
        return [
            (guest.name, answer.instance_id)
            for guest, answer in self.answers
            if answer.status == 200 and answer.instance_id != guest.instance_id
        ]

    def errors(self):
        return [(guest.name, str(answer)) for guest, answer in self.answers if answer.status != 200]
