"""What the site (``make docs``) needs besides its pages: README and CONTRIBUTING as pages, and links out of docs/.

Belongs here: where a link of the repository leads on the site. Does not: any text. On GitHub the same files are read as
they are, so their links are those of the repository, and the headings have GitHub's anchors.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
"""File of the repository -> page of the site."""
COPIES = "repository"
"""Folder of the site with copies of files that pages link to."""
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
"""The path of a link or picture to a file of the repository, without its anchor."""


def on_config(config: Any) -> Any:
    """Give headings the anchors that they have on GitHub."""
    config["mdx_configs"].setdefault("toc", {})["slugify"] = anchor
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/, and copies of the files that pages link to."""
    from mkdocs.structure.files import File

    folders = dict.fromkeys((REPOSITORY / "docs").glob("*.md"), "docs")
    folders |= {REPOSITORY / name: "" for name in PAGES}
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(REPOSITORY / name).read_text("utf-8")))
    linked = {
        place(target, folder) for file, folder in folders.items() for target in LINK.findall(file.read_text("utf-8"))
    }
    for path in sorted(path for path in linked if path.startswith(f"{COPIES}/")):
        original = REPOSITORY / path.removeprefix(f"{COPIES}/")
        if original.is_file():
            files.append(File.generated(config, path, abs_src_path=str(original)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links of the repository into links of the site; pages lie side by side."""
    folder = "" if page.file.src_uri in PAGES.values() else "docs"
    return LINK.sub(lambda link: place(link[1], folder), markdown)


def place(target: str, folder: str) -> str:
    """Return where a link in a file of ``folder`` leads on the site.

    >>> place("../data/recipes/mig.yaml", "docs"), place("docs/yaml.md", ""), place("../README.md", "docs")
    ('repository/data/recipes/mig.yaml', 'yaml.md', 'index.md')
    """
    path = posixpath.normpath(posixpath.join(folder, target))
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{COPIES}/{path}"


def anchor(heading: str, separator: str = "-") -> str:
    """Return the anchor that GitHub gives a heading.

    >>> anchor("Sampler best_of_clusters"), anchor("What `keep` means, and why")
    ('sampler-best_of_clusters', 'what-keep-means-and-why')
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)
