"""The heart: whatever happens, in whatever order, membership is what the facts and the time say.

Random rules, some asking for other segments, for picked people or for a frozen segment; random facts and steps of the
clock, some of many days. After each: the members kept by the workers are those that SQL finds for everybody, and those
that a naive evaluation in Python finds; the history tells the same; and the nightly proof finds nothing to change.
REGULARS_DRILL=full plays many more.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm.models import Customer
from segments import domain, people, proof, refresh
from segments.compile import customers
from segments.models import Membership, MembershipEvent, OutOfStep, Segment
from segments.tree import And, Condition, Node, Not, Or
from tests.segments import oracle
from tests.segments.strategies import rules
from tests.segments.worlds import NOW, TODAY, World

PICKED, FROZEN = "Picked", "Frozen"
STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 1, 2, 7, 30, 61, 180, 400]), st.booleans()), min_size=2, max_size=4
)


@st.composite
def chains(draw: st.DrawFn) -> list[Node]:
    """Rules, most of which ask for earlier ones (S0, S1...) or for those that follow no rule."""
    found: list[Node] = [draw(rules())]
    for number in range(1, draw(st.integers(2, 5))):
        earlier = st.sampled_from([*(f"S{one}" for one in range(number)), PICKED, FROZEN])
        asked: Node = Condition("segment", "in", draw(earlier))
        asked = Not(asked) if draw(st.booleans()) else asked
        join: type[And] | type[Or] = And if draw(st.booleans()) else Or
        choices: list[Node] = [asked, join((draw(rules()), asked)), draw(rules())]
        found.append(draw(st.sampled_from(choices)))
    return found


def kept(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def check_history(segments: Sequence[Segment]) -> None:
    """Everybody comes and goes by turns, and who came last is in, since then."""
    told: dict[tuple[int, int], list[tuple[bool, Any]]] = defaultdict(list)
    for event in MembershipEvent.objects.order_by("happened_at", "pk"):
        told[event.segment_id, event.customer_id].append((event.entered, event.happened_at))
    for turns in told.values():
        assert [entered for entered, _at in turns] == [place % 2 == 0 for place in range(len(turns))]
    here = {(one.segment_id, one.customer_id): one.entered_at for one in Membership.objects.all()}
    assert here == {key: turns[-1][1] for key, turns in told.items() if turns[-1][0]}
    for segment in segments:
        segment.refresh_from_db()
        assert (segment.members_count, segment.last_error) == (len(kept(segment)), "")


def check(segments: Sequence[Segment], some_rules: Sequence[Node], days: int) -> None:
    now, today = NOW + timedelta(days=days), TODAY + timedelta(days=days)
    histories = oracle.read_histories()
    known = {one.name: kept(one) for one in Segment.objects.filter(kind__in=["picked", "frozen"])}
    for segment, rule in zip(segments, some_rules, strict=True):
        for one in histories:
            one.segments = {name for name, members in known.items() if one.customer.pk in members}
        expected = oracle.members(rule, histories, today)
        assert kept(segment) == expected
        assert set(customers(rule=segment.rule, now=now).values_list("pk", flat=True)) == expected
        known[segment.name] = expected
    check_history(segments)


def play(seed: int, some_rules: list[Node], steps: list[tuple[int, bool]]) -> None:
    world = World(seed=seed)
    ids = [customer.pk for customer in world.customers]
    Customer.objects.filter(pk=ids[0]).update(birth_date=date(2011, 3, 20))  # a child, but not for long
    picked = people.pick(name=PICKED, customer_ids=ids[::3], by=None, now=NOW)
    people.freeze(segment=people.pick(name="P", customer_ids=ids[::2], by=None, now=NOW), name=FROZEN, by=None, now=NOW)
    segments = [domain.create_segment(name=f"S{number}", rule=rule, by=None) for number, rule in enumerate(some_rules)]
    refresh.refresh_due(now=NOW)
    refresh.refresh_marked(now=NOW)
    days = 0
    check(segments, some_rules, days)
    for more, marks_first in steps:
        days += more
        now = NOW + timedelta(days=days, seconds=days)
        world.today = TODAY + timedelta(days=days)
        world.change()
        some = world.random.sample(ids, 2)
        people.add_people(segment=picked, customer_ids=some[:1], now=now)
        people.remove_people(segment=picked, customer_ids=some[1:], now=now)
        doors = [lambda now=now: refresh.refresh_marked(now=now), lambda now=now: refresh.refresh_due(now=now)]
        for door in doors if marks_first else reversed(doors):
            door()
        refresh.refresh_marked(now=now)
        check(segments, some_rules, days)
        Segment.objects.update(proved_on=None)
        night = now + timedelta(hours=3)
        assert proof.prove_due(now=night) == len(segments)
        assert not OutOfStep.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db
def test_membership_is_what_facts_and_time_say(drill_is_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    honest = refresh._sweep

    def noting(segment_id: int, *rest: Any) -> Any:
        swept.append(segment_id)
        return honest(segment_id, *rest)

    monkeypatch.setattr(refresh, "_sweep", noting)

    @settings(
        max_examples=400 if drill_is_full else 14,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # making such an example smaller takes minutes
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(seed=st.integers(0, 10_000), some_rules=chains(), steps=STEPS)
    def playing(seed: int, some_rules: list[Node], steps: list[tuple[int, bool]]) -> None:
        swept.clear()
        with transaction.atomic():
            play(seed, some_rules, steps)
            transaction.set_rollback(True)
        # Everybody was evaluated at the beginning and for each proof, and never because of a fact or of time.
        assert len(swept) == len(some_rules) * (1 + len(steps))

    playing()
