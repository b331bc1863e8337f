"""What a template may say: an allow-list over its syntax tree, and the names it may use.

Jinja2 evaluates constants while it compiles, so this looks at the tree before anything is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jinja2 import nodes

from tailor.kernel.catalogue import Attribute
from tailor.kernel.fields import nearest
from tailor.kernel.program import Program, Template
from tailor.rules.mailjinja import AUTHOR_FILTERS, LOOP, TESTS

SOURCE = 150_000
"""Characters of a part of a template."""
BRACES = 6_000
"""Opening braces of a part, those of CSS among them."""
TAGS = 500
TAG = 2_000
"""Characters of one tag."""
NODES = 4_000
DEPTH = 60
LOOPS = 2
PATH = 8
TEXT = 1_000
"""Characters of a string inside a tag."""

MOST = 20
"""Products that one call of ``recommend`` may ask for."""
SEEDS = frozenset(
    ["last_purchase_category", "last_viewed_category", "last_viewed_product", "last_wished_product", "purchase_history"]
)
"""Attributes that recommendations are made from."""

_ALLOWED = (
    nodes.Add,
    nodes.And,
    nodes.Compare,
    nodes.Concat,
    nodes.CondExpr,
    nodes.Const,
    nodes.Filter,
    nodes.For,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.Keyword,
    nodes.List,
    nodes.Name,
    nodes.Neg,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Output,
    nodes.Slice,
    nodes.Sub,
    nodes.Template,
    nodes.TemplateData,
    nodes.Test,
    nodes.Tuple,
)
_SPOKEN: dict[type[nodes.Node], str] = {
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.Block: "{% block %}",
    nodes.Call: "a call with brackets",
    nodes.CallBlock: "{% call %}",
    nodes.Extends: "{% extends %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.FromImport: "{% from %}",
    nodes.Import: "{% import %}",
    nodes.Include: "{% include %}",
    nodes.Macro: "{% macro %}",
    nodes.Mul: "'*'",
    nodes.Scope: "{% autoescape %}",
    nodes.With: "{% with %}",
}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Forbidden(Exception):
    """The template says what it may not; ``lineno`` counts from 1, and is ``None`` where Jinja2 does not tell."""

    def __init__(self, detail: str, lineno: int | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.lineno = lineno


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names a part may use: permitted ``attributes``, and what is ``given`` by Tailor itself.

    ``barred`` holds the attributes that exist and may not be used, with the reason.
    """

    attributes: Mapping[str, Attribute]
    given: frozenset[str]
    barred: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program, template: Template, given: frozenset[str]) -> Vocabulary:
        """What ``template`` is permitted to see of a person, with its own fallbacks."""
        purpose = template.reads_for
        permitted = program.permitted.get(purpose, frozenset())
        barred = {name: why for name in program.attributes if (why := program.barred(name, purpose))}
        attributes = {name: program.attributes[name] for name in permitted}
        for name, fallback in template.fallbacks.items():
            attributes[name] = replace(attributes[name], fallback=fallback)
        return cls(attributes, given, barred)


@dataclass(frozen=True, slots=True)
class Reference:
    """A value named in a template: ``user.address.city`` is attribute ``address`` with the path ``("city",)``."""

    name: str
    path: tuple[str | int, ...]
    of_user: bool

    @property
    def label(self) -> str:
        """As an author would write it."""
        return ".".join([self.name, *map(str, self.path)])


def reference(node: nodes.Node) -> Reference | None:
    """What ``node`` names, or ``None`` where it is another kind of expression."""
    path: list[str | int] = []
    while True:
        match node:
            case nodes.Getattr():
                path.append(node.attr)
                node = node.node
            case nodes.Getitem() if isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
                path.append(node.arg.value)
                node = node.node
            case nodes.Name():
                break
            case _:
                return None
    path.reverse()
    if node.name == "user" and path and isinstance(path[0], str):
        return Reference(path[0], tuple(path[1:]), of_user=True)
    return Reference(node.name, tuple(path), of_user=False)


def inspect(tree: nodes.Template, vocabulary: Vocabulary) -> frozenset[str]:
    """Check a parsed template; answers the names of the attributes it reads.

    Raises
    ------
    Forbidden : a construct or a name that is not allowed, or simply too much of it.
    """
    walk = _Walk(vocabulary)
    walk.node(tree, 0, frozenset(), loops=0)
    return frozenset(walk.reads)


@dataclass(slots=True)
class _Walk:
    vocabulary: Vocabulary
    reads: set[str] = field(default_factory=set)
    count: int = 0

    def node(self, node: nodes.Node, depth: int, items: frozenset[str], *, loops: int) -> None:
        self.count += 1
        if self.count > NODES:
            raise Forbidden(f"the template is too long: more than {NODES} tags, names and values", node.lineno)
        if depth > DEPTH:
            raise Forbidden("the template is nested too deeply", node.lineno)
        if not isinstance(node, _ALLOWED):
            spoken = _SPOKEN.get(type(node), type(node).__name__.lower())
            raise Forbidden(f"{spoken} cannot be used in a letter", node.lineno)
        if found := reference(node):
            self.name(found, node.lineno, items)
            return
        match node:
            case nodes.Const():
                _constant(node)
            case nodes.Filter():
                _known_word(node.name, AUTHOR_FILTERS, "filter", node.lineno)
                if node.node is None:
                    raise Forbidden("{% filter %} cannot be used in a letter", node.lineno)
            case nodes.Test():
                _known_word(node.name, TESTS, "test", node.lineno)
                if node.name == "given" and not (
                    len(node.args) == 2 and all(isinstance(a, nodes.Const) for a in node.args)
                ):
                    raise Forbidden("write {% given city %} … {% broader %} … {% endgiven %}", node.lineno)
            case nodes.Getitem() if not isinstance(node.arg, nodes.Slice):
                raise Forbidden("write a name or a number between the square brackets", node.lineno)
            case nodes.For():
                self.loop(node, depth, items, loops=loops + 1)
                return
        for child in node.iter_child_nodes():
            self.node(child, depth + 1, items, loops=loops)

    def loop(self, node: nodes.For, depth: int, items: frozenset[str], *, loops: int) -> None:
        if loops > LOOPS or node.recursive:
            raise Forbidden(f"loops may be nested {LOOPS} deep", node.lineno)
        target = node.target
        if not isinstance(target, nodes.Name):
            raise Forbidden("a loop has one variable: {% for item in purchase_history %}", node.lineno)
        sliced = isinstance(node.iter, nodes.Getitem) and isinstance(node.iter.arg, nodes.Slice)
        if isinstance(node.iter, nodes.Call):
            self.recommended(node.iter, depth, items, loops=loops)
        elif reference(node.iter.node if sliced and isinstance(node.iter, nodes.Getitem) else node.iter) is None:
            raise Forbidden("a loop goes over an attribute: {% for item in purchase_history %}", node.lineno)
        else:
            self.node(node.iter, depth + 1, items, loops=loops)
        taken = target.name in self.vocabulary.attributes or target.name in self.vocabulary.given
        if taken or target.name in ("user", "loop") or not _IDENTIFIER.fullmatch(target.name):
            raise Forbidden(f"{target.name!r} already means something: choose another name here", node.lineno)
        inside = items | {target.name, "loop"}
        for child in (*([node.test] if node.test else []), *node.body):
            self.node(child, depth + 1, inside, loops=loops)
        for child in node.else_:
            self.node(child, depth + 1, items, loops=loops)

    def recommended(self, call: nodes.Call, depth: int, items: frozenset[str], *, loops: int) -> None:
        """``recommend(3)``, ``recommend(3, category="tents")``, ``recommend(3, category=last_viewed_category)``."""
        form = "write recommend(3), or recommend(3, category='tents')"
        if not (isinstance(call.node, nodes.Name) and call.node.name == "recommend"):
            raise Forbidden("a call with brackets cannot be used in a letter", call.lineno)
        count = call.args[0].value if len(call.args) == 1 and isinstance(call.args[0], nodes.Const) else None
        if type(count) is not int or not 1 <= count <= MOST or call.dyn_args or call.dyn_kwargs:
            raise Forbidden(f"{form}: from 1 to {MOST} products", call.lineno)
        for keyword in call.kwargs:
            if keyword.key != "category" or not (isinstance(keyword.value, nodes.Const) or reference(keyword.value)):
                raise Forbidden(form, call.lineno)
            self.node(keyword.value, depth + 1, items, loops=loops)
        self.reads |= SEEDS & self.vocabulary.attributes.keys()

    def name(self, found: Reference, lineno: int, items: frozenset[str]) -> None:
        known = self.vocabulary
        if len(found.path) > PATH:
            raise Forbidden(f"a name has more than {PATH} parts", lineno)
        if any(isinstance(part, str) and part.startswith("_") for part in (found.name, *found.path)):
            raise Forbidden(f"{found.label!r}: names cannot start with '_'", lineno)
        if not found.of_user and found.name == "loop" and "loop" in items:
            if len(found.path) != 1 or found.path[0] not in LOOP:
                raise Forbidden(f"of 'loop' there are {', '.join(sorted(LOOP))}", lineno)
        elif not found.of_user and found.name == "user":
            raise Forbidden("'user' has many attributes: name one, as in user.first_name", lineno)
        elif not found.of_user and found.name in items:
            pass
        elif not found.of_user and found.name in known.given:
            if found.path:
                raise Forbidden(f"{found.name!r} is a text and has no {found.path[0]!r}", lineno)
        elif found.name in known.attributes:
            self.reads.add(found.name)
        elif found.name in known.barred:
            raise Forbidden(f"{found.name!r} {known.barred[found.name]}", lineno)
        else:
            like = nearest(found.name, {*known.attributes, *known.given, *items})
            raise Forbidden(f"there is no {found.name!r}{like}", lineno)


def _constant(node: nodes.Const) -> None:
    if isinstance(node.value, str) and len(node.value) > TEXT:
        raise Forbidden(f"a text inside a tag is longer than {TEXT} characters", node.lineno)
    if isinstance(node.value, (int, float)) and not abs(node.value) <= 1e15:
        raise Forbidden("a number is too large", node.lineno)


def _known_word(word: str, among: Mapping[str, object], what: str, lineno: int) -> None:
    if word not in among:
        raise Forbidden(f"there is no {what} {word!r}{nearest(word, among)}", lineno)
