import dataclasses
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest

from pilots import register, releases, returns
from pilots.access import Actor, NotAllowed
from pilots.errors import UserError
from pilots.releases import Release, ReleaseChanged, ReleaseError
from pilots.storage import Store, audit
from pilots.storage.blobs import keep_bytes
from pilots.storage.published import add_vintage

EHCP, NORTH_EAST, NORTH_WEST = "ehcp_process", "E12000001", "E12000002"
AUTUMN, SPRING = "2023/24 autumn", "2023/24 spring"
SPELL = "E06000001,digital_ehcp,2024-01-08,,2,0.5,"
Csv = Callable[..., bytes]
Tamper = Callable[[Store, str, str], None]
FIGURES = [
    ("timely", "2023", "E06000001", 51.5, None),
    ("timely", "2024", "E06000001", None, "x"),
    ("timely", "2024", "E06000002", None, None),
    ("issued", "2024", "E06000001", 0.1 + 0.2, None),
]


@dataclasses.dataclass
class Programme:
    """A store with ways to put things in."""

    store: Store
    actor: Actor
    csv: Csv
    register_csv: Csv
    accepted: Callable[[Store, str], Any]

    def send(self, region: str, period: str, first: int = 100, accept: bool = True, reason: str | None = None) -> str:
        content = self.csv(region, period, first)
        receipt = returns.submit_return(self.store, self.actor, EHCP, region, period, "r.csv", content, reason=reason)
        if accept:
            self.accepted(self.store, receipt.reference)
        return receipt.reference

    def publish(self, edition: str, content: bytes, figures: list[tuple[Any, ...]] | None = None) -> str:
        values = pd.DataFrame(figures or FIGURES, columns=["measure", "period", "authority", "value", "symbol"])
        values["source"] = "data.csv"
        with self.store.write(self.actor, "import_published", edition) as connection:
            return add_vintage(
                connection,
                values=values,
                publication="plans",
                edition=edition,
                filename="plans.zip",
                sha256=keep_bytes(connection, content),
                alias_version="1",
                received_by=self.actor.subject,
                report={},
            )

    def register(self) -> None:
        register.register_reforms(self.store, self.actor, "register.csv", self.register_csv(SPELL))

    def fill(self) -> Release:
        self.register()
        for region in (NORTH_EAST, NORTH_WEST):
            self.send(region, AUTUMN)
        self.publish("2025", b"first")
        return self.release()

    def release(self, name: str | None = None) -> Release:
        return releases.make_release(self.store, self.actor, name)


@pytest.fixture
def made(
    administrator: Actor, ehcp_csv: Csv, register_csv: Csv, accepted: Callable[[Store, str], Any]
) -> Callable[[Store], Programme]:
    return lambda store: Programme(store, administrator, ehcp_csv, register_csv, accepted)


@pytest.fixture
def programme(store: Store, made: Callable[[Store], Programme]) -> Programme:
    return made(store)


@pytest.fixture
def any_programme(any_store: Store, made: Callable[[Store], Programme]) -> Programme:
    return made(any_store)


def test_release_holds_what_is_accepted_and_published(any_programme: Programme) -> None:
    told: list[float] = []
    any_programme.register()
    first = any_programme.send(NORTH_EAST, AUTUMN)
    any_programme.send(NORTH_EAST, SPRING, accept=False)
    vintage = any_programme.publish("2025", b"first")
    release = releases.make_release(
        any_programme.store, any_programme.actor, " Spring 2024 ", progress=lambda share, words: told.append(share)
    )
    assert (release.id, release.name, release.made_by) == ("R0001", "Spring 2024", "local-administrator")
    assert [one["reference"] for one in release.submissions] == [first, "REFORM-REGISTER-E92000001-v1"]
    assert [(one["reference"], one["values"], one["order"]) for one in release.vintages] == [(vintage, 4, 1)]
    assert releases.vintage_references(release, "plans") == [vintage]
    assert releases.vintage_references(release, "absence") == []
    assert told == sorted(told) and told[0] == 0.0 and told[-1] == 1.0
    plain = release.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["returns"], plain["series"], plain["id"]) == (2, 1, "R0001")
    releases.verify(any_programme.store, release)
    with any_programme.store.read() as connection:
        (event,) = audit.events(connection, action="make_release")
    assert event["detail"] == {"digest": release.digest, "returns": 2, "series": 1, "reference": "R0001"}


def test_released_rows_are_typed_and_say_their_region(any_programme: Programme) -> None:
    release = any_programme.fill()
    rows = releases.collection_rows(any_programme.store, release, EHCP)
    counts = rows.groupby("region").size().to_dict()
    assert counts == {NORTH_EAST: 12, NORTH_WEST: len(any_programme.csv(NORTH_WEST, AUTUMN).splitlines()) - 1}
    assert list(rows["region"]) == sorted(rows["region"]) and rows["row"].tolist()[:12] == list(range(2, 14))
    assert str(rows["requests"].dtype) == "Int64" and str(rows["average_weeks"].dtype) == "Float64"
    assert rows["requests"].tolist()[:12] == list(range(100, 112)) and "requests__symbol" in rows
    spells = releases.register_spells(any_programme.store, release)
    assert len(spells) == 33 and spells.iloc[-1]["start"] == date(2024, 1, 8) and spells.iloc[-1]["region"] == NORTH_EAST


def test_collection_that_was_not_returned_has_no_rows_but_its_columns(programme: Programme) -> None:
    release = programme.fill()
    rows = releases.collection_rows(programme.store, release, "ap_tiers")
    assert rows.empty and list(rows.columns)[:2] == ["region", "row"] and "authority" in rows


def test_what_comes_later_changes_nothing_in_a_release(any_programme: Programme) -> None:
    release = any_programme.fill()
    before = releases.collection_rows(any_programme.store, release, EHCP)
    spells = releases.register_spells(any_programme.store, release)
    any_programme.send(NORTH_EAST, AUTUMN, first=120, reason="A correction.")
    any_programme.send(NORTH_EAST, SPRING)
    any_programme.publish("2025", b"second", [("timely", "2024", "E06000001", 40.0, None)])
    more = any_programme.register_csv(SPELL, "E06000004,digital_ehcp,2024-04-15,,2,0.5,")
    register.register_reforms(any_programme.store, any_programme.actor, "b.csv", more, reason="One more.")
    same = releases.release(any_programme.store, any_programme.actor, release.id)
    assert same == release
    pd.testing.assert_frame_equal(releases.collection_rows(any_programme.store, same, EHCP), before)
    pd.testing.assert_frame_equal(releases.register_spells(any_programme.store, same), spells)
    assert releases.vintage_references(same, "plans") == ["EES-0001"]
    releases.verify(any_programme.store, same)
    newer = any_programme.release("newer")
    assert newer.digest != release.digest and len(releases.register_spells(any_programme.store, newer)) == 34
    assert releases.collection_rows(any_programme.store, newer, EHCP)["requests"].tolist()[:3] == [120, 121, 122]


def test_equal_content_has_an_equal_digest_in_whatever_order_it_came(
    made: Callable[[Store], Programme], tmp_path: Any, sqlite_url: str, postgresql_url: str
) -> None:
    digests = []
    for turn, url in enumerate((sqlite_url, postgresql_url, f"sqlite:///{tmp_path / 'third.sqlite'}")):
        store = Store.open(url)
        programme = made(store)
        jobs: list[Callable[[], object]] = [
            programme.register,
            lambda programme=programme: programme.send(NORTH_EAST, AUTUMN),
            lambda programme=programme: programme.send(NORTH_WEST, AUTUMN),
            lambda programme=programme: programme.publish("2025", b"a"),
            lambda programme=programme: programme.publish("2024", b"b", FIGURES[:2]),
        ]
        for job in jobs[turn:] + jobs[:turn]:
            job()
        if turn == 2:  # a version between that left no trace in the content
            programme.send(NORTH_EAST, AUTUMN, first=130, reason="A mistake.")
            programme.send(NORTH_EAST, AUTUMN, reason="Back to what it was.")
        digests.append(programme.release(f"turn {turn}").digest)
        store.close()
    assert len(set(digests)) == 1


def test_order_of_the_figures_in_a_vintage_does_not_count_but_figures_do(
    programme: Programme, made: Callable[[Store], Programme], tmp_path: Any
) -> None:
    programme.publish("2025", b"a")
    there = programme.release().digest
    others = [FIGURES[::-1], [*FIGURES[:3], ("issued", "2024", "E06000001", 0.3, None)], [*FIGURES[:3]]]
    digests = []
    for number, figures in enumerate(others):
        store = Store.open(f"sqlite:///{tmp_path / f'other-{number}.sqlite'}")
        other = made(store)
        other.publish("2025", b"a", figures)
        digests.append(other.release().digest)
        store.close()
    assert [digest == there for digest in digests] == [True, False, False]


def test_restatement_is_content(programme: Programme, made: Callable[[Store], Programme], tmp_path: Any) -> None:
    """Which of two vintages of one edition came last decides what is read: it belongs to the digest."""
    programme.publish("2025", b"a", FIGURES[:1])
    programme.publish("2025", b"b", FIGURES[:2])
    store = Store.open(f"sqlite:///{tmp_path / 'other.sqlite'}")
    other = made(store)
    other.publish("2025", b"b", FIGURES[:2])
    other.publish("2025", b"a", FIGURES[:1])
    assert programme.release().digest != other.release().digest
    store.close()


def test_other_content_has_another_digest(programme: Programme) -> None:
    digests = [programme.fill().digest]
    changes: list[Callable[[], object]] = [
        lambda: programme.send(NORTH_EAST, AUTUMN, first=101, reason="One more request."),
        lambda: programme.send(NORTH_EAST, SPRING),
        lambda: programme.publish("2024", b"other", FIGURES[:1]),
    ]
    for number, change in enumerate(changes):
        change()
        digests.append(programme.release(f"after change {number}").digest)
    assert len(set(digests)) == 4


def test_same_content_under_a_new_name_is_a_release_of_its_own(programme: Programme) -> None:
    first, second = programme.fill(), programme.release("again")
    assert (second.id, second.digest) == ("R0002", first.digest)
    assert [one.name for one in releases.releases(programme.store, programme.actor)] == ["again", first.name]


def test_names(programme: Programme) -> None:
    first = programme.fill()
    assert first.name.startswith("Data as at ")
    assert programme.release("").name == f"{first.name} (2)"
    with pytest.raises(ReleaseError, match="releases are never changed. Give another name"):
        programme.release(first.name)
    with pytest.raises(ReleaseError, match="at most 120 characters"):
        programme.release("x" * 121)
    for wanted, found in ((None, "R0002"), ("R0001", "R0001"), (first.name, "R0001")):
        assert releases.release(programme.store, programme.actor, wanted).id == found
    with pytest.raises(ReleaseError, match="There is no release “R0009”"):
        releases.release(programme.store, programme.actor, "R0009")


def test_nothing_to_release_and_no_release_are_told(programme: Programme) -> None:
    programme.send(NORTH_EAST, AUTUMN, accept=False)
    with pytest.raises(ReleaseError, match="There is nothing to release"):
        programme.release()
    with pytest.raises(ReleaseError, match="There is no release yet"):
        releases.release(programme.store, programme.actor)


def test_who_may_make_and_read_releases(programme: Programme, people: Callable[[Store], dict[str, Actor]]) -> None:
    programme.fill()
    staff = people(programme.store)
    for subject in ("researcher", "lead-E12000001"):
        with pytest.raises(NotAllowed, match="cannot make a release"):
            releases.make_release(programme.store, staff[subject], "mine")
    with pytest.raises(NotAllowed, match="cannot read releases"):
        releases.releases(programme.store, staff["lead-E12000001"])
    assert releases.make_release(programme.store, staff["evaluator"], "mine").made_by == "evaluator"
    assert len(releases.releases(programme.store, staff["researcher"])) == 2


NORTH_EAST_V1 = "EHCP-PROCESS-E12000001-2023-24-AUTUMN-v1"


@pytest.mark.parametrize(
    ("table", "statement", "words"),
    [
        (
            "submission_rows",
            "UPDATE submission_rows SET data = '{}' WHERE \"row\" = 5 AND submission_id = 2",
            f"{NORTH_EAST_V1}: rows digest was",
        ),
        ("submission_rows", "DELETE FROM submission_rows WHERE submission_id = 2", f"{NORTH_EAST_V1}: rows was 12 and is now 0"),
        ("blobs", "UPDATE blobs SET content = CAST('x' AS {bytes}) WHERE size = 5", "is stored with other bytes"),
        ("published_values", "UPDATE published_values SET value = 51.4 WHERE value = 51.5", "EES-0001: values digest was"),
        ("published_values", "DELETE FROM published_values WHERE symbol = 'x'", "EES-0001: values was 4 and is now 3"),
        ("release_submissions", "DELETE FROM release_submissions WHERE submission_id = 2", f"{NORTH_EAST_V1} is no longer part"),
        ("published_vintages", "UPDATE published_vintages SET alias_version = '2'", "alias version was 1 and is now 2"),
    ],
)
def test_tampering_is_named(any_programme: Programme, tamper: Tamper, table: str, statement: str, words: str) -> None:
    release = any_programme.fill()
    bytes_type = "BLOB" if any_programme.store.engine.dialect.name == "sqlite" else "BYTEA"
    tamper(any_programme.store, table, statement.replace("{bytes}", bytes_type))
    with pytest.raises(ReleaseChanged, match=words) as caught:
        releases.verify(any_programme.store, release)
    assert isinstance(caught.value, UserError) and release.name in str(caught.value)


def test_changed_list_of_content_does_not_fit_the_digest(programme: Programme) -> None:
    release = programme.fill()
    changed = dataclasses.replace(release, vintages=[{**release.vintages[0], "alias_version": "9"}])
    with pytest.raises(ReleaseChanged, match="does not fit its digest"):
        releases.verify(programme.store, changed)
