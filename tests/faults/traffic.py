"""Traffic with known effects: stories of bookings and absences, told in pushes, with what each push must leave.

Nothing here uses the code that reads pushes. Every record carries a mark (``userId``, or ``Comments`` of an absence) by
which its notification is found again; only the same content told twice on purpose shares one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tests.support.pushes import element
from tests.support.replies import Wrapping

from .events import Ending, Event, Push, Story
from .records import Records


class Traffic:
    """Stories by a seed; the same seed tells the same. ``undated`` stories need that nothing of them overtakes."""

    def __init__(self, seed: int, *, undated: bool = True, largest_batch: int = 60) -> None:
        self._random = Random(seed)
        self._undated, self._largest_batch = undated, largest_batch
        self._records = Records(seed, self._random)

    def stories(self, pushes: int) -> list[Story]:
        """Stories of that many pushes together, or a few more."""
        found: list[Story] = []
        total = 0
        for story in self.endless():
            found.append(story)
            total += len(story)
            if total >= pushes:
                return found
        raise AssertionError("endless")

    def endless(self) -> Iterator[Story]:
        """Stories, for as long as they are asked for."""
        while True:
            self._records.number += 1
            kinds = [self._booking] * 60 + [self._absence] * 20 + [self._bookings] * 5 + [self._absences] * 5
            kinds += [self.undated_booking] * (4 if self._undated else 0)
            kinds += [self._refused, self._refused, self._unreadable, self._unreadable]
            kinds += [self._partly] * 4
            story = self._random.choice(kinds)()
            if self._random.random() < 0.1 and self._may_repeat(story):
                story = (*story, replace(story[0], again=True))
            yield story

    def absences(self, number: int) -> Story:
        """One push of that many new absences, each of another resource."""
        self._records.number += 1
        first = self._records.key()
        steps = [self._records.unavailability(f"W{first}-{n}", 0, "New", "created") for n in range(number)]
        return (self._push(f"W{first}.0", steps),)

    @staticmethod
    def _may_repeat(story: Story) -> bool:
        """Whether the first push is the same event also after all others: dated, or nothing came after it."""
        return len(story) == 1 or all("changed_at" in e.state for e in story[0].events)

    # Kinds of stories

    def _booking(self) -> Story:
        key, chance = self._records.key(), self._random
        steps = [self._records.confirmation(key, 0, "created")]
        if chance.random() < 0.3:
            steps.append(self._records.confirmation(key, 1, "updated"))
        if chance.random() < 0.4:
            end = self._records.cancellation if chance.random() < 0.4 else self._records.completion
            steps.append(end(key, 2))
        return tuple(self._push(f"{key}.{n}", [step]) for n, step in enumerate(steps))

    def undated_booking(self) -> Story:
        """Confirmed, cancelled, confirmed with the very same content, all without a date: three events."""
        self._records.number += 1
        key = self._records.key()
        first = self._records.confirmation(key, 0, "created", dated=False)
        gone = self._records.cancellation(key, 1, dated=False)
        again = replace(first[0], change="updated"), first[1]
        wrapping = self._random.choice(list(Wrapping))
        return tuple(self._push(f"{key}.{n}", [step], wrapping) for n, step in enumerate([first, gone, again]))

    def _absence(self) -> Story:
        resource, chance = f"W{self._records.key()}", self._random
        steps = [self._records.unavailability(resource, 0, "New", "created")]
        if chance.random() < 0.3:
            steps.append(self._records.unavailability(resource, 1, "Changed", "updated"))
        if chance.random() < 0.3:
            steps.append(self._records.unavailability(resource, 2, "Deleted", "removed"))
        return tuple(self._push(f"{resource}.{n}", [step]) for n, step in enumerate(steps))

    def _bookings(self) -> Story:
        keys = [self._records.key(n) for n in range(1, self._random.randint(3, max(3, self._largest_batch // 3)))]
        first = self._push(f"{keys[0]}.0", [self._records.confirmation(key, 0, "created") for key in keys])
        return first, self._push(f"{keys[0]}.1", [self._records.cancellation(key, 1) for key in keys[::2]])

    def _absences(self) -> Story:
        return self.absences(self._random.randint(2, max(2, self._largest_batch)))

    def _partly(self) -> Story:
        keys = [self._records.key(n) for n in range(1, 5)]
        steps = [self._records.confirmation(key, 0, "created") for key in keys]
        return (self._push(f"{keys[0]}.0", [*steps, self._records.invalid(self._records.key(5))]),)

    def _refused(self) -> Story:
        key = self._records.key()
        return (replace(self._push(f"{key}.0", [self._records.invalid(key)]), ending=Ending.REFUSED),)

    def _unreadable(self) -> Story:
        key = self._records.key()
        _, xml = self._records.confirmation(key, 0, "created")
        body = Wrapping.PLAIN.around(xml).encode()
        cut = self._random.randrange(1, len(body) - 1)
        while 0x80 <= body[cut] < 0xC0:  # inside a character
            cut -= 1
        return (Push(f"{key}.0", body[:cut], (), Ending.UNREADABLE),)

    def _push(self, name: str, steps: list[tuple[Event, str]], wrapping: Wrapping | None = None) -> Push:
        events, records = [e for e, _ in steps], [xml for _, xml in steps]
        inner = records[0]
        if len(records) > 1:
            many = {"confirmation": "bookingConfirmations", "cancellation": "bookingCancellations"}
            inner = element(many.get(events[0].kind, "unavailabilities"), "".join(records))
        body = (wrapping or self._random.choice(list(Wrapping))).around(inner)
        return Push(name, body.encode(), tuple(events))
