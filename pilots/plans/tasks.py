"""Plans that ship with the platform, and plans that were registered in a store. A registered version is never changed."""

from datetime import datetime
from importlib import resources

from pilots.access import Actor, check_actor_can
from pilots.plans.model import Plan, PlanError, load_plan
from pilots.storage import Store, evaluations
from pilots.storage.base import now


def shipped_plans() -> list[Plan]:
    """The plans that ship with the platform, by name."""
    folder = resources.files(__package__)
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".yaml")), key=lambda path: path.name)
    return [load_plan(path.read_text(encoding="utf-8")) for path in paths]


def named_plan(name: str) -> Plan:
    """The plan of this name that ships with the platform.

    Raises:
        PlanError: there is none.
    """
    known = {plan.plan: plan for plan in shipped_plans()}
    if name not in known:
        raise PlanError(f"There is no plan “{name}”. Give the path of a YAML file, or one of: {', '.join(known)}.")
    return known[name]


def plans(store: Store, actor: Actor) -> list[Plan]:
    """The registered plans, by name and version.

    Raises:
        NotAllowed: the actor may not read plans.
    """
    check_actor_can(actor, "read_plans")
    with store.read() as connection:
        rows = evaluations.registered_plans(connection)
    return [load_plan(row["text"]) for row in rows]


def seals(store: Store, actor: Actor) -> dict[str, datetime]:
    """When each registered plan was sealed, by its digest.

    Raises:
        NotAllowed: the actor may not read plans.
    """
    check_actor_can(actor, "read_plans")
    with store.read() as connection:
        return {row["digest"]: row["registered_at"] for row in evaluations.registered_plans(connection)}


def register_plan(store: Store, actor: Actor, plan: Plan) -> Plan:
    """Seal a plan under its digest and the moment, before looking at results; the same plan again does no harm.

    Raises:
        NotAllowed: the actor may not.
        PlanError: another text is registered under this name and version.
    """
    check_actor_can(actor, "register_plan")
    with store.write(actor, "register_plan", f"{plan.plan} {plan.version}", {"digest": plan.digest}) as connection:
        if evaluations.plan_with_digest(connection, plan.digest) is not None:
            return plan
        if evaluations.plan_with_version(connection, plan.plan, plan.version) is not None:
            raise PlanError(
                f"Version {plan.version} of the plan “{plan.plan}” is registered with another content. "
                "A registered plan is not changed: give the new one a new version."
            )
        facts = {"plan": plan.plan, "version": plan.version, "text": plan.text}
        evaluations.add_plan(connection, digest=plan.digest, at=now(), by=actor.subject, **facts)
    return plan
