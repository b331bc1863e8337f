"""The gate as a matter of types: a plugin of mypy for which reading a person past ``view`` is an error.

It goes by what mypy knows of an expression, so that no name of a variable hides a person, and neither ``getattr`` nor
``asdict`` reads one by the back door. Who may, and why, is written in :data:`PROFILE` and :data:`ADDRESS`. What mypy
takes for ``Any`` it cannot judge: ``tests/test_gate.py`` watches who reads while the system runs.

The contract is mypy's, https://mypy.readthedocs.io/en/stable/extending_mypy.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mypy.errorcodes import ErrorCode
from mypy.nodes import StrExpr
from mypy.plugin import AttributeContext, FunctionContext, MethodContext, Plugin
from mypy.types import Instance, ProperType, Type, UnionType, get_proper_type

CORE = Path(__file__).resolve().parent.parent / "layers" / "core" / "tailor"
PERSON = "tailor.kernel.person.Person"

PROFILE: Mapping[str, str] = {
    "edges/duplicates.py": "stores",
    "edges/store.py": "stores",
    "kernel/person.py": "is the person",
    "rules/consent.py": "is the gate",
    "rules/policy.py": "asks the country which law holds, before any purpose can be permitted",
    "rules/profile.py": "writes what events say, and forgets",
    "rules/identity.py": "makes one person of two",
    "rules/joining.py": "makes one person of two, and two of one",
    "rules/recount.py": "counts the same events again",
    "rules/journeys.py": "writes the attributes a journey sets",
    "rules/bounces.py": "counts how often mail came back",
    "rules/likeness.py": "compares names and addresses, to find who is there twice",
    "rules/quality/portrait.py": "measures how well profiles are filled",
    "flows/export.py": "hands a person everything of theirs",
    "flows/show.py": "shows a person to who may see them, without what is sensitive or undeclared",
    "flows/own.py": "shows people what they may put right themselves",
    "flows/retention.py": "counts, without their values, what should be forgotten and is not",
    "flows/render.py": "names, without their values, what the gate kept back",
    "flows/why_not.py": "tells who asks which events a rule has counted",
}
"""Module → why it reads :data:`OF_PROFILE` of a person past the gate."""
ADDRESS: Mapping[str, str] = {
    "edges/store.py": "stores",
    "kernel/person.py": "is the person",
    "rules/consent.py": "is the gate: kinds alone pass it",
    "rules/identity.py": "says who is meant",
    "rules/joining.py": "makes one person of two, and two of one",
    "rules/likeness.py": "compares addresses, to find who is there twice",
    "rules/quality/portrait.py": "measures how well profiles are filled",
    "rules/eligibility.py": "asks whether there is an address at all",
    "rules/step.py": "suppresses the address that mail came back from",
    "flows/absorb.py": "says who is meant",
    "flows/audience.py": "shows the team examples, and members, of a segment",
    "flows/broadcast.py": "asks whether an address is suppressed",
    "flows/deliver.py": "sends there",
    "flows/duplicates.py": "shows the team who may be there twice",
    "flows/erase.py": "suppresses what it erases",
    "flows/export.py": "hands a person everything of theirs",
    "flows/foresee.py": "asks whether an address is suppressed",
    "flows/join.py": "asks whether two people can be one",
    "flows/reckon.py": "asks whether an address is suppressed",
    "flows/rehearse.py": "asks whether an address is suppressed",
    "flows/render.py": "writes it on the envelope",
    "flows/show.py": "shows a person to who may see them",
    "flows/why.py": "asks whether an address is suppressed",
}
"""Module → why it reads :data:`OF_ADDRESS` of a person."""

OF_PROFILE = frozenset({"attributes", "written", "history", "orders", "purchases", "voices", "pack"})
"""What is known of somebody: of it a purpose may be permitted nothing."""
OF_ADDRESS = frozenset({"identifiers", "email"})
"""How somebody is reached and recognised."""
ALL_AT_ONCE = frozenset(
    {
        *("builtins.getattr", "builtins.vars", "builtins.repr", "builtins.ascii", "builtins.format"),
        *("dataclasses.asdict", "dataclasses.astuple", "json.dumps", "json.dump", "pickle.dumps", "pickle.dump"),
    }
)
"""Functions that read any object given to them."""
BY_NAME = frozenset({"operator.attrgetter", "operator.methodcaller"})
"""What makes such functions, of names."""

GATE = ErrorCode("gate", "A person is read past the gate", "General")
REMEDY = "read view(person, purpose, program, now=now), or say in local/mypy_gate.py why this module may"


def may(path: str, member: str) -> bool:
    """Whether the module in ``path`` reads ``member`` of a person past the gate, with its reason."""
    module = Path(path).resolve()
    inside = module.relative_to(CORE).as_posix() if module.is_relative_to(CORE) else module.as_posix()
    return not ((member in OF_PROFILE and inside not in PROFILE) or (member in OF_ADDRESS and inside not in ADDRESS))


class Gate(Plugin):
    """Says where a person is read past ``view``."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """For each field of a person."""
        owner, _, member = fullname.rpartition(".")
        if owner != PERSON or member not in OF_PROFILE | OF_ADDRESS | {"__dict__"}:
            return None

        def read(context: AttributeContext) -> Type:
            if not may(context.api.path, member) or member == "__dict__":
                context.api.fail(f"A person's {member!r} is read past the gate: {REMEDY}", context.context, code=GATE)
            return context.default_attr_type

        return read

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """For each method of a person."""
        owner, _, member = fullname.rpartition(".")
        if owner != PERSON or member not in OF_PROFILE | OF_ADDRESS:
            return None

        def call(context: MethodContext) -> Type:
            if not may(context.api.path, member):
                context.api.fail(f"A person's {member}() is called past the gate: {REMEDY}", context.context, code=GATE)
            return context.default_return_type

        return call

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """For what reads whatever it is given."""
        if fullname in ALL_AT_ONCE:
            return _read_at_once
        if fullname in BY_NAME:
            return _read_by_name
        return None


def _read_at_once(context: FunctionContext) -> Type:
    given = [one for types in context.arg_types for one in types]
    free = may(context.api.path, "attributes") and may(context.api.path, "identifiers")
    if not free and any(holds_person(one) for one in given):
        context.api.fail(f"Somebody is read as a whole, past the gate: {REMEDY}", context.context, code=GATE)
    return context.default_return_type


def _read_by_name(context: FunctionContext) -> Type:
    for argument in (one for arguments in context.args for one in arguments):
        names = argument.value.split(".") if isinstance(argument, StrExpr) else ["attributes"]
        if not all(may(context.api.path, name) for name in names):
            context.api.fail(f"This may read a person past the gate: {REMEDY}", context.context, code=GATE)
    return context.default_return_type


def holds_person(kind: Type) -> bool:
    """Whether a value of this type may be a person, or a list, a mapping or the like with people in it."""
    known: ProperType = get_proper_type(kind)
    match known:
        case Instance():
            return known.type.has_base(PERSON) or any(holds_person(one) for one in known.args)
        case UnionType():
            return any(holds_person(one) for one in known.items)
        case _:
            return False


def plugin(version: str) -> type[Plugin]:
    """What mypy asks for."""
    return Gate
