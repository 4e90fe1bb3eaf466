"""A store filled with the synthetic programme, through the same tasks that a region, an administrator and an evaluator use."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from pilots import accounts, register, releases, returns, runs
from pilots.access import APPROVER, EVALUATOR, LEAD, Actor, check_actor_can
from pilots.collections import ASKED_UNTIL
from pilots.demonstration.design import LAST, NORTH_EAST
from pilots.demonstration.examples import REASON, RESTATED, restated_files
from pilots.demonstration.files import EXPLANATIONS
from pilots.demonstration.known import SETTING, check_version, setting
from pilots.demonstration.synthetic import DEFAULT_SEED, EHCP_PROCESS, VERSION, Programme, programme
from pilots.errors import UserError
from pilots.life import ACCEPTED, SIGNED_OFF, SUBMITTED
from pilots.periods import parse
from pilots.places import region_names
from pilots.plans import Plan, load_plan, register_plan
from pilots.receipts import Receipt
from pilots.releases import Release
from pilots.storage import Store
from pilots.storage.settings import set_setting

RELEASE = "Demonstration: returns up to summer 2025"
REGISTER_FILE = "reform_register.csv"
Progress = Callable[[float, str], None]
# Shares of the time that the parts take, as measured.
_RETURNS_FROM, _RETURNS_TO = 0.03, 0.62


@dataclass(frozen=True)
class _Return:
    """One return of the programme that is to be in the store."""

    collection: str
    region: str
    period: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.collection, self.region, self.period


def build_demonstration(store: Store, actor: Actor, seed: int = DEFAULT_SEED, progress: Progress | None = None) -> None:
    """Fill a store with the demonstration: accounts, register, returns, a release, and a run of every demonstration plan.

    What is there already stays: a build that was interrupted goes on, and one that was finished does nothing.

    Args:
        store: an empty store, or one of this demonstration.
        actor: an administrator.
        seed: of the synthetic programme.
        progress: told the share done and what is being done.

    Raises:
        NotAllowed: the actor may not.
        UserError: the store holds real returns, or the demonstration of another seed or version.
    """
    check_actor_can(actor, "build_demonstration")
    tell = progress or (lambda share, words: None)
    if _begun(store, actor, seed):
        tell(1.0, "The demonstration is there already")
        return
    tell(0.0, "Making the synthetic programme")
    made = programme(seed)
    accounts.add_development_accounts(store, actor)
    people = accounts.development_sign_in(store)
    tell(0.01, "Registering who started which reform when")
    register.register_reforms(store, actor, REGISTER_FILE, made.register)
    evaluator = next(one for one in people if one.role == EVALUATOR)
    for plan in demonstration_plans():  # before a figure is there that could be looked at
        register_plan(store, evaluator, plan)
    staff = {(one.role, one.regions[0]): one for one in people if one.regions}
    _send_returns(
        store, actor, made, staff, evaluator, lambda part, words: tell(_between(_RETURNS_FROM, _RETURNS_TO, part), words)
    )
    tell(_RETURNS_TO, "Freezing the returns in a release")
    release = _release(store, evaluator)
    _run_plans(store, evaluator, release, lambda part, words: tell(_between(_RETURNS_TO + 0.01, 1.0, part), words))
    _note(store, actor, seed, finished=True)
    tell(1.0, "The demonstration is ready")


def demonstration_plans() -> list[Plan]:
    """The plans that the demonstration runs, by file name."""
    folder = resources.files(__package__).joinpath("plans")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".yaml")), key=lambda path: path.name)
    return [load_plan(path.read_text(encoding="utf-8")) for path in paths]


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part


def _begun(store: Store, actor: Actor, seed: int) -> bool:
    """Note in the store that it is a demonstration, before anything else is in it. True where all has been done."""
    found = setting(store)
    if found is None:
        if returns.submissions(store, actor):
            raise UserError("This store holds returns that are not of the demonstration. Build the demonstration in a new store.")
        _note(store, actor, seed, finished=False)
        return False
    check_version(found)
    if found["seed"] != seed:
        raise UserError(
            f"This store holds the demonstration of seed {found['seed']}, not of seed {seed}. Build another one in a new store."
        )
    return bool(found["finished"])


def _note(store: Store, actor: Actor, seed: int, finished: bool) -> None:
    value = {"seed": seed, "version": VERSION, "finished": finished}
    with store.write(actor, "build_demonstration", SETTING, value) as connection:
        set_setting(connection, SETTING, value)
        # The programme of the demonstration is over: its leads are not asked for what nobody made up.
        set_setting(connection, ASKED_UNTIL, parse(LAST).end.isoformat())


def _expected(made: Programme) -> list[_Return]:
    """Every return of the programme in order of time, but for the one that is left to a visitor."""
    there = [
        (period, region, number, name)
        for number, (name, table) in enumerate(made.returns.items())
        for region, period in dict.fromkeys(zip(table.region, table.period, strict=True))
    ]
    ends = {period: parse(period).end for period, *_ in there}
    inorder = sorted(there, key=lambda one: (ends[one[0]], *one[1:]))
    everything = [_Return(name, region, period) for period, region, _, name in inorder]
    return [one for one in everything if one.key != (EHCP_PROCESS, NORTH_EAST, LAST)]


def _send_returns(
    store: Store, actor: Actor, made: Programme, staff: dict[tuple[str, str], Actor], evaluator: Actor, tell: Progress
) -> None:
    there: dict[tuple[str, str, str], Receipt] = {}
    for receipt in returns.submissions(store, actor):  # newest first
        there.setdefault((receipt.collection, receipt.region, receipt.period), receipt)
    wanted, names = _expected(made), region_names()
    for number, one in enumerate(wanted):
        tell(number / len(wanted), f"{one.period}: {names[one.region]} sends {one.collection}")
        latest = there.get(one.key)
        if latest is None or latest.status != ACCEPTED:
            latest = _sent(store, staff[LEAD, one.region], made, one, latest)
            _signed_and_accepted(store, staff[APPROVER, one.region], evaluator, latest)


def _sent(store: Store, lead: Actor, made: Programme, one: _Return, latest: Receipt | None) -> Receipt:
    """Submit one return; `latest` is what an interrupted build left of it. Where that is the whole of it, it is given back."""
    table = made.returns[one.collection]
    name, content = table.filename(one.region, one.period), table.file(one.region, one.period)
    explanations = table.explanations(one.region, one.period)
    reason = None
    if one.key == RESTATED:
        reason = REASON
        if latest is None:
            refused, mistaken = restated_files(made)
            returns.check_return(store, lead, *one.key, name, refused)
            returns.submit_return(store, lead, *one.key, name, mistaken, explanations=explanations)
    try:
        return returns.submit_return(store, lead, *one.key, name, content, explanations=explanations, reason=reason)
    except returns.ReturnNotAccepted as refused_once:
        report = refused_once.report
        if report is None or report.errors:
            raise
        explained = {query.rule: EXPLANATIONS[query.rule] for query in report.queries}
        return returns.submit_return(store, lead, *one.key, name, content, explanations=explained, reason=reason)


def _signed_and_accepted(store: Store, approver: Actor, evaluator: Actor, sent: Receipt) -> None:
    """Bring a submission through the steps that it still lacks."""
    if sent.status == SUBMITTED:
        returns.sign_off_return(store, approver, sent.reference)
    if sent.status in (SUBMITTED, SIGNED_OFF):
        returns.accept_return(store, evaluator, sent.reference)


def _release(store: Store, evaluator: Actor) -> Release:
    there = {one.name: one for one in releases.releases(store, evaluator)}
    return there.get(RELEASE) or releases.make_release(store, evaluator, RELEASE)


def _run_plans(store: Store, evaluator: Actor, release: Release, tell: Progress) -> None:
    """Run the plans side by side, and the last one by name after them: screens open on the newest run."""
    done = {run.document["plan_digest"] for run in runs.runs(store, evaluator)}
    *others, last = demonstration_plans()
    for plans, begins, ends in ((others, 0.0, 0.95), ([last], 0.95, 1.0)):
        waiting = [plan for plan in plans if plan.digest not in done]
        made = runs.evaluate_plans(store, evaluator, waiting, release, _part(tell, begins, ends))
        if made.refused:
            raise UserError(f"{made.refused[0].plan.title}: {made.refused[0].reason}")


def _part(tell: Progress, begins: float, ends: float) -> Progress:
    """Progress of one part of several."""
    return lambda share, words: tell(_between(begins, ends, share), words)
