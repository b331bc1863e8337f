"""A template, walked once: each piece said in another language, and what cannot be said noted with its line."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from tailor.kernel.errors import Rejected
from tailor.kernel.keys import digest
from tailor.kernel.program import Program, Template
from tailor.rules.consent import View
from tailor.rules.dialects.languages import Language, Liquid, Place, Unsayable
from tailor.rules.dressing import implied
from tailor.rules.guard import Forbidden, Reference, Vocabulary, inspect, reference
from tailor.rules.mailjinja import AUTHOR_FILTERS, HTML, contains, display
from tailor.rules.places import Html, Misplaced, Plain
from tailor.rules.templates import CTA, GIVEN, LETTER, parse, text_source, with_preheader

PARTS = ("subject", "preheader", "html", "text")
_SIGNS = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
_CASES = frozenset({"upper", "lower", "title"})


@dataclass(frozen=True, slots=True)
class Flag:
    """A condition answered beforehand: ``name`` is ``"1"`` where ``attribute`` contains ``word``, else absent."""

    name: str
    attribute: str
    word: str

    def holds(self, view: View) -> bool:
        """Whether it is set for the person seen in ``view``."""
        return contains(view.attributes.get(self.attribute), self.word)


@dataclass(slots=True)
class Said:
    """A template in another language.

    Attributes
    ----------
    parts : ``subject``, ``preheader``, ``html`` and ``text``.
    reads : values the other sender must hold under these names, flags and the call to action among them.
    flags : those of them that are conditions.
    refusals : what could not be said; with any the parts are of no use.
    """

    parts: dict[str, str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    refusals: list[Rejected] = field(default_factory=list)


def say(template: Template, program: Program, language: Language) -> Said:
    """``template`` of ``program`` in ``language``.

    Raises
    ------
    Rejected : ``bad-template``; it is no template in the first place.
    """
    given = GIVEN | CTA if template.cta else GIVEN
    sources = {
        "subject": template.subject,
        "preheader": template.preheader,
        "html": with_preheader(template),
        "text": text_source(template),
    }
    said = Said()
    for part, source in sources.items():
        names = given | LETTER if part in ("html", "text") else given
        vocabulary = Vocabulary.of(program, template, names)
        before = list(said.refusals)
        walk = _Walk(part, f"/templates/{template.key}/{part}", vocabulary, language, said, sources)
        said.parts[part] = walk.whole(source)
        if part == "text" and before and not template.text.strip():
            said.refusals = before  # it follows from the HTML, and so do its refusals
    return said


@dataclass(slots=True)
class _Walk:
    part: str
    pointer: str
    vocabulary: Vocabulary
    language: Language
    said: Said
    sources: Mapping[str, str]
    quoting: bool = False
    place: Html | Plain = field(init=False)
    sure: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.place = Html() if self.part == HTML else Plain()

    def whole(self, source: str) -> str:
        try:
            tree = parse(source, HTML if self.part == HTML and not self.quoting else "text")
            inspect(tree, self.vocabulary)
        except (Forbidden, TemplateSyntaxError) as error:
            line = f"line {error.lineno}: " if error.lineno else ""
            detail = error.detail if isinstance(error, Forbidden) else str(error)
            raise Rejected(line + detail, code="bad-template", pointer=self.pointer) from error
        return self.body(tree.body)

    def refuse(self, detail: str, lineno: int) -> str:
        refusal = Rejected(
            f"line {lineno}: {self.language.name} cannot say this: {detail}", code="unsayable", pointer=self.pointer
        )
        if all((one.detail, one.pointer) != (refusal.detail, refusal.pointer) for one in self.said.refusals):
            self.said.refusals.append(refusal)
        return ""

    def body(self, children: list[nodes.Node]) -> str:
        out: list[str] = []
        for child in children:
            try:
                match child:
                    case nodes.Output():
                        out += [self.output(node) for node in child.nodes]
                    case nodes.If():
                        out.append(self.branches(child))
                    case nodes.For():
                        out.append(self.loop(child))
            except (Unsayable, Misplaced) as error:
                self.refuse(str(error), child.lineno)
        return "".join(out)

    def output(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            text = html.escape(node.data) if self.quoting else node.data
            self.place.feed(text)
            return self.language.static(text)
        try:
            treatment = self.place.value()
            return self.value(node, self.standing(treatment))
        except (Unsayable, Misplaced) as error:
            return self.refuse(str(error), node.lineno)

    def standing(self, treatment: str) -> Place:
        if treatment == "css":
            raise Unsayable("a value in a style cannot be made safe there: choose between styles by a condition")
        if treatment == "url_part":
            return "url"
        return "html" if self.part == HTML else "text"

    def value(self, node: nodes.Expr, place: Place) -> str:
        fallback: str | None = None
        case = ""
        inner: Any = node
        while isinstance(inner, nodes.Filter):
            word = inner.name
            if word in ("default", "d"):
                if not (inner.args and isinstance(inner.args[0], nodes.Const)):
                    raise Unsayable("what stands in for a value must be a text in quotes")
                if fallback is None:
                    fallback = _cased(display(inner.args[0].value), case)
            elif word in _CASES and word in self.language.words and not case:
                case = word
            else:
                raise Unsayable(f"there is no filter {word!r} there: hand it over as an attribute of its own")
            inner = inner.node
        if isinstance(inner, nodes.Const):
            return self.language.static(display(inner.value))
        found = reference(inner)
        if found is None:
            raise Unsayable("only a value can be shown: put choices into {% if %} … {% else %} … {% endif %}")
        return self.shown(found, fallback, place, case)

    def shown(self, found: Reference, fallback: str | None, place: Place, case: str) -> str:
        name = found.name
        if not found.of_user and name in LETTER:
            return self.said.parts[name] if place == "text" else self.again(name)
        if not found.of_user and name in self.language.given:
            return self.language.given[name]
        if not found.of_user and name in GIVEN:
            raise Unsayable(f"{name!r} is a link that only we can sign: send this letter from here")
        if found.path:
            raise Unsayable(f"{found.label!r} is a part of a map: hand it over as an attribute of its own")
        if not found.of_user and name in self.items:
            return self.language.value(name, fallback=fallback, place=place, case=case, listed=False)
        if not found.of_user and name in CTA:
            self.read(name)
            whole: Place = "html" if place == "html" else "text"
            return self.language.value(name, fallback=None, place=whole, case=case, listed=False)
        attribute = self.vocabulary.attributes[name]
        if fallback is None and attribute.fallback is not None:
            fallback = _cased(display(attribute.fallback), case)
        if fallback is None and name not in self.sure:
            raise Unsayable(
                f"{name!r} has no fallback, and nobody can be left out there: write {{{name}|…}}, "
                f"or put it into {{% if {name} %}}"
            )
        self.read(name)
        return self.language.value(name, fallback=fallback, place=place, case=case, listed=attribute.type == "list")

    def again(self, name: str) -> str:
        """The subject or preheader inside the HTML: the same words, escaped as HTML is."""
        inner = _Walk(HTML, self.pointer, self.vocabulary, self.language, self.said, self.sources, quoting=True)
        return inner.whole(self.sources[name])

    def branches(self, node: nodes.If) -> str:
        start, sure = self.place.copy(), self.sure
        out: list[str] = []
        for branch in (node, *node.elif_):
            self.place, self.sure = start.copy(), sure | implied(branch.test)
            condition = self.condition(branch.test)
            out += [self.language.opening(condition, first=branch is node), self.body(branch.body)]
        end = self.place
        self.place, self.sure = start.copy(), sure
        if node.else_:
            out += [self.language.otherwise(), self.body(node.else_)]
            end = self.place
        self.place = end
        return "".join([*out, self.language.closing()])

    def loop(self, node: nodes.For) -> str:
        if not isinstance(self.language, Liquid):
            raise Unsayable("there are no loops: name single values, or hand the list over as one text")
        found = reference(node.iter)
        if (
            found is None
            or found.path
            or node.test is not None
            or node.else_
            or not isinstance(node.target, nodes.Name)
        ):
            raise Unsayable("a loop goes over one attribute, without 'if' and 'else'")
        self.read(found.name)
        before = self.items
        self.items = before | {node.target.name}
        inside = self.body(node.body)
        self.items = before
        return f"{{% for {node.target.name} in {found.name} limit: 100 %}}{inside}{{% endfor %}}"

    def condition(self, test: Any) -> str:
        word, terms = _flattened(test)
        said = [self.term(term, negated=False, within=word) for term in terms]
        return said[0] if len(said) == 1 else self.language.joined(word, said)

    def term(self, test: nodes.Expr, *, negated: bool, within: str) -> str:
        match test:
            case nodes.Not():
                return self.term(test.node, negated=not negated, within=within)
            case nodes.Test(name="contains"):
                return self.containing(test.node, test.args[0], negated=negated, within=within)
            case nodes.Test(name="defined" | "undefined" | "none"):
                return self.language.truth(
                    self.asked(test.node), negated=negated != (test.name != "defined"), within=within
                )
            case nodes.Compare() if len(test.ops) == 1:
                return self.compared(test.expr, test.ops[0], negated=negated, within=within)
            case nodes.And() | nodes.Or():
                raise Unsayable("'and' and 'or' cannot be mixed: put one condition inside the other")
        name = self.asked(test)
        if (attribute := self.vocabulary.attributes.get(name)) and attribute.type in ("number", "boolean"):
            raise Unsayable(f"whether {name!r} is not 0: write {{% if {name} is defined %}}, or compare it")
        return self.language.truth(name, negated=negated, within=within)

    def compared(self, left: nodes.Expr, operand: nodes.Operand, *, negated: bool, within: str) -> str:
        right = operand.expr
        if operand.op in ("in", "notin"):
            return self.containing(right, left, negated=negated != (operand.op == "notin"), within=within)
        if not isinstance(right, nodes.Const):
            raise Unsayable("a value can be compared with a text or a number, not with another value")
        name = self.asked(left)
        if right.value is None:
            return self.language.truth(name, negated=negated != (operand.op == "eq"), within=within)
        if operand.op in ("eq", "ne") and isinstance(right.value, (str, int, float)):
            return self.language.equal(name, right.value, negated=negated != (operand.op == "ne"))
        if operand.op in _SIGNS and isinstance(self.language, Liquid) and not negated:
            if self.vocabulary.attributes[name].type != "number":
                raise Unsayable(f"{name!r} is no number, and texts have no order there")
            return self.language.compared(name, _SIGNS[operand.op], right.value)
        raise Unsayable("only equality can be asked there: hand the answer over as an attribute of its own")

    def containing(self, whole: nodes.Expr, word: nodes.Expr, *, negated: bool, within: str) -> str:
        if not (isinstance(word, nodes.Const) and isinstance(word.value, str)):
            raise Unsayable("what may be contained must be a text in quotes")
        if isinstance(self.language, Liquid) and not negated:
            name = self.asked(whole)
            return self.language.compared(name, "contains", word.value)
        name = self.named(whole)
        flag = Flag(f"F_{digest(name, word.value, size=5)[:8].upper()}", name, word.value)
        if flag not in self.said.flags:
            self.said.flags.append(flag)
        self.read(flag.name)
        return self.language.truth(flag.name, negated=negated, within=within)

    def asked(self, node: nodes.Expr) -> str:
        name = self.named(node)
        if name not in self.items:
            self.read(name)
        return name

    def named(self, node: nodes.Expr) -> str:
        found = reference(node)
        if found is None or found.path or (found.name in self.vocabulary.given and not found.of_user):
            raise Unsayable("a condition asks about one attribute by its name")
        return found.name

    def read(self, name: str) -> None:
        if name not in self.said.reads:
            self.said.reads.append(name)


def _cased(text: str, case: str) -> str:
    """What stands in for a value, as a filter outside of it would have it."""
    return str(AUTHOR_FILTERS[case](text)) if case else text


def _flattened(test: nodes.Expr) -> tuple[str, list[nodes.Expr]]:
    """``a and b and c`` as ``("and", [a, b, c])``; anything else as one term."""
    for kind, word in ((nodes.And, "and"), (nodes.Or, "or")):
        if isinstance(test, kind):
            terms: list[nodes.Expr] = []
            for side in (test.left, test.right):
                inner, of_side = _flattened(side)
                terms += of_side if inner in ("", word) else [side]
            return word, terms
    return "", [test]
