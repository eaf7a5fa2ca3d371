# A repository's index, repodata/repomd.xml: what it lists, and which of that is here. Shared by what takes metadata and
# what reads it; neither knows the other's form.
from __future__ import annotations

import os
import xml.etree.ElementTree as tree

# Digests that bytes can be told apart by, and the names that createrepo_c has for others.
STRONG = ("sha256", "sha384", "sha512")
# Its readers know elements by their names without a prefix.
tree.register_namespace("", "http://linux.duke.edu/metadata/repo")
tree.register_namespace("rpm", "http://linux.duke.edu/metadata/rpm")
INDEX = os.path.join("repodata", "repomd.xml")


class Record:
    """One file that the index lists."""

    def __init__(self, element: tree.Element) -> None:
        def found(name: str) -> tree.Element | None:
            return next((child for child in element if local(child.tag) == name), None)

        def text(name: str) -> str:
            child = found(name)
            return "" if child is None or child.text is None else child.text.strip()

        checksum, location = found("checksum"), found("location")
        self.element = element
        self.type = element.get("type", "")
        self.kind = "" if checksum is None else checksum.get("type", "")
        self.digest = text("checksum")
        self.size = int(text("size") or 0)
        self.file = "" if location is None else location.get("href", "")
        self.base = None if location is None else based(location)

    def is_in(self, root: str) -> bool:
        """Whether the file was taken, and lies there: a path that leads out of its repository is none of it."""
        leads_out = os.path.isabs(self.file) or ".." in self.file.split("/")
        return not leads_out and os.path.isfile(os.path.join(root, self.file))


def based(location: tree.Element) -> str | None:
    """The address that a location is relative to, where that is not the repository's."""
    return location.get("{http://www.w3.org/XML/1998/namespace}base")


def local(tag: str) -> str:
    """A tag's name without its namespace."""
    return tag.rpartition("}")[2]


def read(root: str) -> list[Record]:
    """All records of the index below `root`."""
    return [Record(one) for one in tree.parse(os.path.join(root, INDEX)).getroot() if local(one.tag) == "data"]


def write_held(root: str, to: str) -> None:
    """Makes `to` a repository whose index lists what was taken into `root`, and nothing else: who reads an index wants all of it."""
    document = tree.parse(os.path.join(root, INDEX))
    for element in [one for one in document.getroot() if local(one.tag) == "data"]:
        record = Record(element)
        if not record.is_in(root):
            document.getroot().remove(element)
            continue
        # dnf knows groups by two names alone.
        if record.type.startswith("group_") and record.type != "group_gz":
            element.set("type", "group")
        os.makedirs(os.path.dirname(os.path.join(to, record.file)), exist_ok=True)
        os.symlink(os.path.join(root, record.file), os.path.join(to, record.file))
    os.makedirs(os.path.join(to, "repodata"), exist_ok=True)
    document.write(os.path.join(to, INDEX), encoding="utf-8", xml_declaration=True)
