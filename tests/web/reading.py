"""What stands in a page: its elements with their attributes, and its text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Element:
    """One that begins."""

    name: str
    attributes: dict[str, str | None]


@dataclass
class Document:
    """A page as a browser without scripts reads it; the text is also what stands in its fields."""

    elements: list[Element] = field(default_factory=list)
    text: str = ""

    def named(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.document = Document()
        self._texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.document.elements.append(Element(tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def finished(self) -> Document:
        self.close()
        fields = (element.attributes.get("value") for element in self.document.named("input"))
        self.document.text = "\n".join(("".join(self._texts), *(value or "" for value in fields)))
        return self.document


def read(html: str) -> Document:
    """The elements and the text of a page. AssertionError for an attribute that is there twice."""
    parser = _Parser()
    parser.feed(html)
    return parser.finished()
