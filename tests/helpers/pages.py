"""Web pages in tests."""

import base64
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "link", "source"}
SVG = "data:image/svg+xml;base64,"


class Page(HTMLParser):
    """Checks that tags are balanced and gathers what is looked at."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.texts, self.ids = [], [], [], [], []
        self.pictures = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        links = [attrs[name] for name in ("href", "src", "srcset", "data") if name in attrs]
        self.links += links
        self.pictures += [base64.b64decode(link.removeprefix(SVG)).decode()
                          for link in links if link.startswith(SVG)]  # fmt: skip
        self.ids += [attrs["id"]] if "id" in attrs else []
        assert not [name for name in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
