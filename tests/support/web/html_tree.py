"""HTML pages as trees of elements."""

from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """The page as a tree of elements; parsing fails if tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.tree, self.open = ElementTree.TreeBuilder(), []
        self.feed(text)
        self.close()
        assert self.open == []
        self.root = self.tree.close()

    def handle_starttag(self, tag, attrs):
        self.tree.start(tag, dict(attrs))
        self.open.append(tag)
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()
        self.tree.end(tag)

    def handle_data(self, data):
        if self.open:
            self.tree.data(data)


def words(element):
    """Return the text of an element with single spaces."""
    return " ".join("".join(element.itertext()).split())
