"""Makes a checked template safe and whole: each printed value gets its fallback, and the escaping of its place.

In an output, ``{{ first_name }}`` becomes: the value, or the catalogue's fallback, or no letter at all. In a condition
a missing value is simply false. A value in a link, a style or a plain text is treated as that place needs, whatever
branch it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from tailor.rules.guard import Forbidden, Reference, Vocabulary, reference
from tailor.rules.mailjinja import FILTER
from tailor.rules.places import Html, Misplaced, Place, Plain

LINK, LINK_BEGINS, LINK_ENDS = "\ufdd0", "\ufdd1", "\ufdd2"
"""What marks links in the rendered HTML: one that is the same for all follows :data:`LINK` in one piece, the pieces of
any other stand between the two others. No value and no template holds these non-characters."""

BODY_ENDS = re.compile(r"(?=</body\b)", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']", re.IGNORECASE)
_TESTS = {"lt": "lt", "lteq": "le", "gt": "gt", "gteq": "ge"}
_PRESENT = frozenset({"eq", "lt", "lteq", "gt", "gteq", "in"})


def dress(tree: nodes.Template, vocabulary: Vocabulary, place: Place) -> frozenset[str]:
    """Change ``tree``, which :func:`tailor.rules.guard.inspect` has let pass, for a document that begins at ``place``.

    Returns
    -------
    The attributes that are shown with neither a fallback nor a condition that they exist: without them there is no
    letter.

    Raises
    ------
    Forbidden : a value stands where nothing can make it safe, or the document does not end where it began.
    """
    dresser = _Dresser(vocabulary, place.copy())
    dresser.body(tree.body)
    if isinstance(end := dresser.place, Html) and isinstance(place, Html) and end.state != place.state:
        raise Forbidden(f"the HTML ends inside of a {end.state}: something is not closed, or closed too often", None)
    return frozenset(dresser.needs)


@dataclass(slots=True)
class _Dresser:
    vocabulary: Vocabulary
    place: Place
    needs: set[str] = field(default_factory=set)
    sure: frozenset[str] = frozenset()

    def body(self, children: list[nodes.Node]) -> None:
        dressed: list[nodes.Node] = []
        for child in children:
            match child:
                case nodes.Output():
                    for node in child.nodes:
                        dressed += [nodes.Output([piece], lineno=child.lineno) for piece in self.output(node)]
                    continue
                case nodes.If():
                    self.branches(child)
                case nodes.For():
                    self.loop(child)
            dressed.append(child)
        children[:] = dressed

    def branches(self, node: nodes.If) -> None:
        start, sure = self.place.copy(), self.sure
        ends: list[Place] = []
        for branch in (node, *node.elif_):
            self.place, self.sure = start.copy(), sure | implied(branch.test)
            branch.test = _asked(branch.test)
            self.body(branch.body)
            ends.append(self.place)
        self.place, self.sure = start.copy(), sure
        self.body(node.else_)
        ends.append(self.place)
        if not all(_agree(ends[0], end) for end in ends):
            raise Forbidden(
                "the branches of this condition end in different places of the HTML (in a link, write an {% else %})",
                node.lineno,
            )
        self.place = ends[0]

    def loop(self, node: nodes.For) -> None:
        weight = sum(FILTER if isinstance(one, nodes.Filter) else 1 for one in node.find_all(nodes.Node))
        if isinstance(node.iter, nodes.Call):
            category = node.iter.kwargs[0].value if node.iter.kwargs else _constant(None)
            products = _filter(category, "recommended", node.lineno, *node.iter.args)
            node.iter = _filter(products, "items", node.lineno, _constant(weight))
        elif isinstance(node.iter, nodes.Getitem) and isinstance(node.iter.arg, nodes.Slice):
            node.iter.node = _filter(node.iter.node, "items", node.lineno, _constant(weight))
        else:
            node.iter = _filter(node.iter, "items", node.lineno, _constant(weight))
        if node.test is not None:
            node.test = _asked(node.test)
        start = self.place.copy()
        self.body(node.body)
        once, self.place = self.place, start.copy()
        self.body(node.else_)
        if not (_agree(start, once) and _agree(start, self.place)):
            raise Forbidden("this loop ends in another place of the HTML than where it began", node.lineno)

    def output(self, node: nodes.Expr) -> list[nodes.Expr]:
        """What is put out in the place of ``node``, each piece to be yielded by itself."""
        if isinstance(node, nodes.TemplateData):
            return [nodes.TemplateData(text, lineno=node.lineno) for text in self.static(node.data) if text]
        try:
            escaping = self.place.value()
        except Misplaced as error:
            raise Forbidden(str(error), node.lineno) from error
        if escaping == "url_part" and isinstance(node, nodes.Filter) and node.name == "urlencode":
            escaping = ""
        shown = self.shown(node)
        return [_filter(shown, escaping, node.lineno) if escaping else shown]

    def static(self, text: str) -> Iterator[str]:
        """Static text, with the value of every ``href`` to click marked as a :data:`LINK`.

        ``</body>`` begins a piece.
        """
        if not isinstance(place := self.place, Html):
            place.feed(text)
            yield text
            return
        done = at = 0
        if place.clickable:  # since an earlier text
            end = text.find(place.quote)
            if end < 0:
                place.feed(text)
                yield text
                return
            yield text[:end]
            yield LINK_ENDS
            place.feed(text[: end + 1])
            done, at = end, end + 1
        for found in _HREF.finditer(text, at):
            if found.start() < at:
                continue
            place.feed(text[at : found.end()])
            at = found.end()
            if not place.clickable:
                continue
            yield text[done:at]
            done = at
            if (end := text.find(place.quote, at)) < 0:
                yield LINK_BEGINS
                break
            yield LINK + text[at:end]
            place.feed(text[at : end + 1])
            done, at = end, end + 1
        place.feed(text[at:])
        yield from BODY_ENDS.split(text[done:])

    def shown(self, node: Any) -> Any:
        """An expression whose value will be seen."""
        if found := reference(node):
            return self.known(node, found)
        match node:
            case nodes.Filter(name="default" | "d"):
                return self.stood_in(node)
            case nodes.Filter(name="length" | "count"):
                return _asked(node)
            case nodes.Filter():
                node.node = self.shown(node.node)
                node.args = [self.shown(arg) for arg in node.args]
                for keyword in node.kwargs:
                    keyword.value = self.shown(keyword.value)
            case nodes.CondExpr():
                sure = self.sure
                self.sure = sure | implied(node.test)
                node.test, node.expr1 = _asked(node.test), self.shown(node.expr1)
                self.sure = sure
                node.expr2 = self.shown(node.expr2) if node.expr2 is not None else None
            case nodes.Or():
                node.left, node.right = _asked(node.left), self.shown(node.right)
            case nodes.Concat():
                node.nodes = [self.shown(child) for child in node.nodes]
            case nodes.List() | nodes.Tuple():
                node.items = [self.shown(child) for child in node.items]
            case nodes.Add() | nodes.Sub():
                node.left, node.right = self.shown(node.left), self.shown(node.right)
            case nodes.Getitem() | nodes.Neg():
                node.node = self.shown(node.node)
            case _:
                return _asked(node)
        return node

    def known(self, node: nodes.Expr, found: Reference) -> nodes.Expr:
        if not found.of_user and found.name == "loop":
            return node
        root = nodes.Getattr(nodes.Name("user", "load"), found.name, "load") if found.of_user else None
        attribute = self.vocabulary.attributes.get(found.name) if found.of_user or not self.given(found) else None
        if attribute and attribute.fallback is None and found.name not in self.sure:
            self.needs.add(found.name)
        constants = [found.name, attribute.fallback if attribute else None, *found.path]
        return _filter(root or nodes.Name(found.name, "load"), "known", node.lineno, *map(_constant, constants))

    def given(self, found: Reference) -> bool:
        return found.name in self.vocabulary.given

    def stood_in(self, node: nodes.Filter) -> nodes.Expr:
        """The author's own fallback: recorded by the name of the attribute it stands in for."""
        assert node.node is not None  # noqa: S101 - the guard refuses filters without an operand
        found = next((r for n in (node.node, *node.node.find_all(nodes.Expr)) if (r := reference(n))), None)
        if found is None:
            return node
        fixed = all(isinstance(arg, nodes.Const) for arg in node.args)
        node.name = "stand_in"
        node.node = _asked(node.node)
        node.args = [_constant(found.name), *map(_asked, node.args)]
        return node if fixed else _filter(node, "known", node.lineno, _constant(found.name), _constant(None))


class _Conditions(NodeTransformer):
    """Comparisons as tests, which are false, not failures, between unlike things."""

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:
        self.generic_visit(node)
        left, terms = node.expr, list[nodes.Expr]()
        for operand in node.ops:
            right = operand.expr
            match operand.op:
                case "lt" | "lteq" | "gt" | "gteq":
                    terms.append(_test(left, _TESTS[operand.op], right))
                case "in":
                    terms.append(_test(right, "contains", left))
                case "notin":
                    terms.append(nodes.Not(_test(right, "contains", left), lineno=node.lineno))
                case "eq" | "ne" if isinstance(right, nodes.Const) and right.value is None:
                    unknown = nodes.Test(left, "none", [], [], None, None, lineno=node.lineno)
                    terms.append(unknown if operand.op == "eq" else nodes.Not(unknown, lineno=node.lineno))
                case _:
                    terms.append(nodes.Compare(left, [operand], lineno=node.lineno))
            left = right
        whole = terms[0]
        for term in terms[1:]:
            whole = nodes.And(whole, term, lineno=node.lineno)
        return whole


def _asked(node: Any) -> Any:
    """An expression whose value is only asked about."""
    return _Conditions().visit(node)


def implied(test: nodes.Node) -> frozenset[str]:
    """Attributes that have a value where ``test`` holds."""
    match test:
        case nodes.And():
            return implied(test.left) | implied(test.right)
        case nodes.Test(name="contains" | "defined" | "given" | "lt" | "le" | "gt" | "ge"):
            return implied(test.node)
        case nodes.Compare() if all(operand.op in _PRESENT for operand in test.ops):
            operand = test.ops[0]
            return implied(operand.expr if operand.op == "in" else test.expr)
    found = reference(test)
    return frozenset({found.name}) if found else frozenset()


def _agree(one: Place, other: Place) -> bool:
    match one, other:
        case (Html(), Html()):
            return one.agrees(other)
        case (Plain(), Plain()):
            return one.agrees(other)
    return False


def _filter(node: Any, name: str, lineno: int, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=lineno)


def _test(node: nodes.Expr, name: str, argument: nodes.Expr) -> nodes.Test:
    return nodes.Test(node, name, [argument], [], None, None, lineno=node.lineno)


def _constant(value: Any) -> nodes.Expr:
    return nodes.Const(value)
