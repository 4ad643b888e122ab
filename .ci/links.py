"""Every relative link of a Markdown page leads somewhere, and so does every path in a page's code spans."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A code span is taken for a path if it names a folder of the repository and something in it.
SPAN = re.compile(r"`((?:\.ci|docs|fuzz|loadgen|real-adapters|reports|scenarios|sim)/[\w./*-]+)`")


def anchors(page):
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problems(page):
    text = page.read_text()
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page if not path else page.parent / path
        if not there.exists():
            yield f"{page.relative_to(ROOT)}: {target} does not exist"
        elif anchor and anchor not in anchors(there):
            yield f"{page.relative_to(ROOT)}: {target} has no such heading"
    for path in SPAN.findall(text):
        if not list(ROOT.glob(path.rstrip("/"))):
            yield f"{page.relative_to(ROOT)}: `{path}` does not exist"


if __name__ == "__main__":
    pages = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [problem for page in pages.stdout.split() for problem in problems(ROOT / page)]
    print("\n".join(found))
    sys.exit(1 if found else 0)
