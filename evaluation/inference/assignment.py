"""Who was assigned together, and how else the reform could have been assigned: every other way, or random ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from evaluation.errors import OptionError, check_choice
from evaluation.panel import NEVER, Panel

SCHEMES = (None, "groups", "within_region")


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups that were assigned whole, A of them.

    Attributes:
        cluster: the column that they come from.
        code: group of each unit (N).
        start: position of each group's first treated period (A); `NEVER` for a comparison group.
        size: units in each group (A).
        region: region of each group (A), −1 where it lies in several; None where the panel has no region.
        unit_region: region of each unit (N); None where the panel has no region.
        warnings: what was done to groups that were not assigned whole.
    """

    cluster: str
    code: np.ndarray
    start: np.ndarray
    size: np.ndarray
    region: np.ndarray | None
    unit_region: np.ndarray | None
    warnings: tuple[str, ...] = ()

    @property
    def treated(self) -> np.ndarray:
        """Whether each group has the reform (A)."""
        return self.start < NEVER

    @property
    def alone(self) -> bool:
        """Whether there are comparison groups and each is a single unit."""
        return bool((~self.treated).any() and (self.size[~self.treated] == 1).all())


@dataclass(frozen=True, eq=False)
class Draws:
    """Ways to assign the reform; the first row is the way it was assigned.

    Attributes:
        atom: what each unit is drawn with (N): its group, or itself where sets of units are drawn.
        members: R × S; the atoms that have the reform.
        start: R × S; when they start, as a place in `starts`. An atom that is in no column never starts.
        team: S; columns of one team stand together and were assigned together.
        starts: Q positions of first treated periods.
        scheme: "groups" or "within_region".
        possible: number of different assignments.
        enumerated: whether the rows are all of them, each once.
    """

    atom: np.ndarray
    members: np.ndarray
    start: np.ndarray
    team: np.ndarray
    starts: np.ndarray
    scheme: str
    possible: int
    enumerated: bool

    @property
    def team_first(self) -> np.ndarray:
        """First column of each team."""
        return np.flatnonzero(np.r_[True, np.diff(self.team) != 0])

    def cohort(self, row: int) -> np.ndarray:
        """Position of each unit's first treated period (N) under one assignment."""
        by_atom = np.full(int(self.atom.max()) + 1, NEVER)
        by_atom[self.members[row]] = self.starts[self.start[row]]
        return by_atom[self.atom]

    def clusters(self, row: int) -> np.ndarray:
        """Clusters of units (N) under one assignment: each team is one, every other atom is one."""
        count = int(self.atom.max()) + 1
        by_atom = np.arange(count)
        by_atom[self.members[row]] = count + self.team
        return np.unique(by_atom[self.atom], return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class _Block:
    """Sets to be drawn, without overlap, from one pool of atoms: (atoms as assigned, start) for each set."""

    pool: np.ndarray
    sets: tuple[tuple[tuple[int, ...], int], ...]


def groups_of(panel: Panel, name: str, codes: np.ndarray, split: bool = True) -> Groups:
    """The groups that were assigned whole.

    A group whose units start at different times is taken apart, one group a start (unless `split` is False), with a warning.
    Units without the reform in a group that has it were not assigned with it: each stands alone.
    """
    treated = panel.cohort < NEVER
    adopts = np.zeros(int(codes.max()) + 1, bool)
    adopts[codes[treated]] = True
    start = panel.cohort if split else np.where(treated, 0, NEVER)
    lone = adopts[codes] & ~treated
    key = np.column_stack([codes, np.where(treated, start, NEVER), np.where(lone, np.arange(len(codes)) + 1, 0)])
    rows, code = np.unique(key, axis=0, return_inverse=True)
    code = code.reshape(-1)
    first = np.full(len(rows), NEVER)
    np.minimum.at(first, code, panel.cohort)
    region = unit_region = None
    if panel.region is not None:
        unit_region = panel.clusters[panel.region][0]
        low, high = np.full(len(rows), unit_region.max()), np.zeros(len(rows), int)
        np.minimum.at(low, code, unit_region)
        np.maximum.at(high, code, unit_region)
        region = np.where(low == high, low, -1)
    pieces = Counter(int(c) for c in rows[rows[:, 1] < NEVER, 0])
    apart = sum(count > 1 for count in pieces.values())
    said = []
    if apart:
        said.append(
            f"The units of {apart} of {len(pieces)} {name} groups start at different times: each start counts as a group."
        )
    return Groups(name, code, first, np.bincount(code), region, unit_region, tuple(said))


def scheme_of(groups: Groups, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """The scheme asked for, or the one that fits how the groups were formed, with a warning where it is second best."""
    check_choice("scheme", asked, SCHEMES)
    regional = groups.region is not None and bool((groups.region[groups.treated] >= 0).all())
    if asked == "within_region" and groups.region is None:
        raise OptionError("scheme='within_region' needs a region. Name its column in Panel.from_frame(region=...).")
    if asked == "within_region" and not regional:
        raise OptionError(
            f"scheme='within_region': a treated {groups.cluster} lies in several regions. Use scheme='groups', "
            "or a region that holds each whole."
        )
    if asked:
        return asked, ()
    if not (groups.alone and (groups.size[groups.treated] > 1).any()):
        return "groups", ()
    if regional:
        return "within_region", ()
    return "groups", (
        f"Comparison units stand alone and no region holds each {groups.cluster} whole: starts are permuted among groups of "
        "different size.",
    )


def draw_assignments(groups: Groups, scheme: str, permute_starts: bool, draws: int, seed: int) -> Draws:
    """Every other assignment where there are at most `draws` of them, else `draws` random ones, after the one that was.

    Args:
        groups: from `groups_of`.
        scheme: "groups": starts permuted among all groups. "within_region": each region's treated groups drawn again from
            that region's groups or, where comparison units stand alone, sets of its units of the same size.
        permute_starts: within regions: permute starts among the treated groups too.
        draws: most assignments to look at, besides the one that was.
        seed: of the random numbers.
    """
    starts, where = np.unique(groups.start[groups.treated], return_inverse=True)
    index = np.full(len(groups.size), -1)
    index[groups.treated] = where.reshape(-1)
    permute = permute_starts and scheme == "within_region"
    as_sets = scheme == "within_region" and groups.alone
    blocks = _blocks(groups, index, scheme, as_sets, permute)
    label = np.concatenate([_labels(block, index, as_sets, permute) for block in blocks])
    team = np.concatenate([_teams(block, as_sets, k) for k, block in enumerate(blocks)])
    team = np.unique(team, return_inverse=True)[1].reshape(-1)
    first = np.flatnonzero(np.r_[True, np.diff(team) != 0])
    possible = math.prod(_count(block, permute) for block in blocks)
    if permute:
        possible *= _arrangements(Counter(label[first].tolist()))
    identity = np.concatenate([np.concatenate([members for members, _ in block.sets]) for block in blocks]).astype(np.int32)
    enumerated = possible <= draws + 1
    if enumerated:
        members, start = _every(blocks, label, first, team, permute)
        same = (members == identity).all(axis=1) & (start == label).all(axis=1)
        members, start = members[~same], start[~same]
    else:
        members, start = _random(blocks, label, first, team, permute, draws, seed)
    out = Draws(groups.code, identity[None], label[None], team, starts, scheme, possible, enumerated)
    atom = np.arange(len(groups.code)) if as_sets else groups.code
    return replace(out, atom=atom, members=np.vstack([identity, members]), start=np.vstack([label, start]))


def _blocks(groups: Groups, index: np.ndarray, scheme: str, as_sets: bool, permute: bool) -> list[_Block]:
    everything = np.arange(len(groups.size))
    if scheme == "groups" or groups.region is None or groups.unit_region is None:
        return [_block_of_groups(everything, index, False)]
    blocks = []
    for region in np.unique(groups.region[groups.treated]):
        if not as_sets:
            blocks.append(_block_of_groups(everything[groups.region == region], index, permute))
            continue
        teams = everything[(groups.region == region) & groups.treated]
        sets = [(tuple(np.flatnonzero(groups.code == a).tolist()), int(index[a])) for a in teams]
        sets.sort(key=lambda one: (len(one[0]), 0 if permute else one[1], one[0][0]))
        blocks.append(_Block(np.flatnonzero(groups.unit_region == region), tuple(sets)))
    return blocks


def _block_of_groups(pool: np.ndarray, index: np.ndarray, permute: bool) -> _Block:
    """One set for each start (one in all where starts are permuted on their own)."""
    if permute:
        return _Block(pool, ((tuple(pool[index[pool] >= 0].tolist()), -1),))
    present = np.unique(index[pool][index[pool] >= 0])
    return _Block(pool, tuple((tuple(pool[index[pool] == q].tolist()), int(q)) for q in present))


def _labels(block: _Block, index: np.ndarray, as_sets: bool, permute: bool) -> np.ndarray:
    """Start of each column as assigned."""
    if permute and not as_sets:
        return np.concatenate([index[list(members)] for members, _ in block.sets])
    return np.concatenate([np.full(len(members), start) for members, start in block.sets])


def _teams(block: _Block, as_sets: bool, k: int) -> np.ndarray:
    """A number for each column, ascending, the same for columns that were assigned together."""
    lengths = [len(members) for members, _ in block.sets]
    within = np.repeat(np.arange(len(lengths)), lengths) if as_sets else np.arange(sum(lengths))
    return within + k * 1_000_000


def _keys(block: _Block, permute: bool) -> list[tuple[int, int]]:
    """Sets with one key may change places without a difference."""
    return [(len(members), 0 if permute else start) for members, start in block.sets]


def _count(block: _Block, permute: bool) -> int:
    """Ways to draw a block's sets."""
    left, ways = len(block.pool), 1
    for members, _ in block.sets:
        ways *= math.comb(left, len(members))
        left -= len(members)
    return ways // math.prod(math.factorial(n) for n in Counter(_keys(block, permute)).values())


def _arrangements(counts: Counter[int]) -> int:
    return math.factorial(sum(counts.values())) // math.prod(math.factorial(n) for n in counts.values())


def _choices(pool: tuple[int, ...], keys: Sequence[tuple[int, int]], last: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """All ways to draw disjoint sets, those with one key in the order of their first atoms."""
    if not keys:
        yield ()
        return
    for chosen in combinations(pool, keys[0][0]):
        if last and chosen[0] < last[0]:
            continue
        taken = set(chosen)
        rest = tuple(a for a in pool if a not in taken)
        again = chosen if len(keys) > 1 and keys[1] == keys[0] else ()
        for more in _choices(rest, keys[1:], again):
            yield chosen + more


def _orders(counts: dict[int, int]) -> Iterator[tuple[int, ...]]:
    """All different orders of labels, `counts` of each."""
    if not any(counts.values()):
        yield ()
        return
    for value in sorted(v for v, n in counts.items() if n):
        for rest in _orders({**counts, value: counts[value] - 1}):
            yield (value, *rest)


def _every(
    blocks: list[_Block], label: np.ndarray, first: np.ndarray, team: np.ndarray, permute: bool
) -> tuple[np.ndarray, np.ndarray]:
    drawn = [[*_choices(tuple(block.pool.tolist()), _keys(block, permute))] for block in blocks]
    members = np.array([sum(parts, ()) for parts in product(*drawn)], dtype=np.int32)
    if not permute:
        return members, np.tile(label, (len(members), 1))
    orders = np.array([*_orders(dict(Counter(label[first].tolist())))])[:, team]
    return np.repeat(members, len(orders), axis=0), np.tile(orders, (len(members), 1))


def _random(
    blocks: list[_Block], label: np.ndarray, first: np.ndarray, team: np.ndarray, permute: bool, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = [shuffled(block.pool, sum(len(members) for members, _ in block.sets), draws, rng) for block in blocks]
    members = np.concatenate(parts, axis=1)
    if not permute:
        return members, np.broadcast_to(label, members.shape)
    return members, label[first][shuffled(np.arange(len(first)), len(first), draws, rng)][:, team]


def shuffled(pool: np.ndarray, count: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """`draws` random ordered samples of `count` from a pool, without replacement (draws × count)."""
    deck = np.repeat(pool.astype(np.int32), draws)
    column = np.arange(draws)
    for j in range(count):
        other = rng.integers(j, len(pool), size=draws) * draws + column
        here = deck[j * draws : (j + 1) * draws]
        kept = here.copy()
        here[:] = deck[other]
        deck[other] = kept
    return np.ascontiguousarray(deck.reshape(len(pool), draws)[:count].T)


def check_whole(options: Mapping[str, Any], **least: int) -> None:
    """Raise `OptionError` where an option is not a whole number of at least so much."""
    for name, smallest in least.items():
        value = options[name]
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < smallest:
            raise OptionError(f"{name} must be a whole number, {smallest} or more, not {value!r}.")
