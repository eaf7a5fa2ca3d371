# Fetches the metadata of RPM repositories with librepo, which verifies every file by the index, and the index by its
# signature where that is asked for.
from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
from typing import Callable, Iterator, Protocol, TypedDict

import librepo

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dnf_index  # noqa: E402

# What dnf's resolver reads. Changelogs, advisories, deltas and databases are left where they are.
WANTED = ["primary", "filelists", "modules"]
# Groups, in the one form that comes first: compressions are copies of each other.
GROUPS = ["group_gz", "group", "group_xz", "group_zst", "group_bz2"]


class Place(TypedDict):
    id: str
    urls: list[str]
    mirrorlist: str | None
    metalink: str | None
    signed: bool
    dest: str


class Asked(TypedDict):
    dir: str
    gnupg: str | None
    places: list[Place]


with open(sys.argv[1], encoding="utf-8") as file:
    asked: Asked = json.load(file)


class Wrong(Exception):
    """What is wrong with a repository, in words."""


def fetch(place: Place, dest: str) -> None:
    """Fetches one repository's metadata into `dest`."""
    handle = librepo.Handle()
    handle.setopt(librepo.LRO_REPOTYPE, librepo.LR_YUMREPO)
    if place["urls"]:
        handle.setopt(librepo.LRO_URLS, place["urls"])
    if place["mirrorlist"]:
        handle.setopt(librepo.LRO_MIRRORLISTURL, place["mirrorlist"])
    if place["metalink"]:
        handle.setopt(librepo.LRO_METALINKURL, place["metalink"])
    handle.setopt(librepo.LRO_DESTDIR, dest)
    handle.setopt(librepo.LRO_CHECKSUM, True)
    handle.setopt(librepo.LRO_USERAGENT, "imagemake")
    if asked["gnupg"] and place["signed"]:
        handle.setopt(librepo.LRO_GPGCHECK, True)
        handle.setopt(librepo.LRO_GNUPGHOMEDIR, asked["gnupg"])
    os.makedirs(dest)
    # The index first: it says which forms there are.
    handle.setopt(librepo.LRO_YUMDLIST, librepo.LR_YUM_REPOMDONLY)
    result = librepo.Result()
    handle.perform(result)
    records = dnf_index.read(dest)
    groups = [one for one in GROUPS if any(record.type == one for record in records)]
    handle.setopt(librepo.LRO_YUMDLIST, WANTED + groups[:1])
    handle.setopt(librepo.LRO_UPDATE, True)
    handle.perform(result)
    judge(dest, records)


def judge(dest: str, records: list[dnf_index.Record]) -> None:
    """Whether what was fetched can be read, and tells packages apart."""
    held = [record for record in records if record.is_in(dest)]
    primary = next((one for one in held if one.type in ("primary", "primary_zck")), None)
    if primary is None:
        raise Wrong(lacking([record.type for record in records]))
    unread(records, held)
    for kind in sorted(kinds_in(os.path.join(dest, primary.file))):
        strong(kind, "its packages")
    for record in held:
        strong(record.kind, f"its {record.type}")


# What resolving takes beside the list of packages. Without one of these it would choose other packages, and not say so.
BESIDE = {"filelists": "list of files", "modules": "list of modules", "group": "list of groups"}


def unread(records: list[dnf_index.Record], held: list[dnf_index.Record]) -> None:
    """Whether what else is listed is there in a form that is read."""
    for kind, called in BESIDE.items():
        forms = [record.type for record in records if FORM.sub("", record.type) == kind]
        if forms and not any(FORM.sub("", record.type) == kind for record in held):
            raise Wrong(f"its {called} is {only(forms)}")


def strong(kind: str, what: str) -> None:
    if kind not in dnf_index.STRONG:
        # createrepo's old name for it.
        name = "sha1" if kind == "sha" else kind or "no"
        raise Wrong(f"it has {name} checksums of {what}; expected are {', '.join(dnf_index.STRONG)}")


def lacking(types: list[str]) -> str:
    """Why there is no list of packages."""
    forms = [form for form in types if FORM.sub("", form) == "primary"]
    if forms:
        return f"its list of packages is {only(forms)}"
    return f"its index lists no packages, but {', '.join(types) or 'nothing'}"


FORM = re.compile("_(gz|xz|zst|bz2|zck|db)$")


def only(forms: list[str]) -> str:
    """What is wrong with the only forms that a file is there in."""
    if any(form.endswith("_zck") for form in forms):
        return "there in zchunk alone, which librepo of this machine does not read"
    if any(form.endswith("_db") for form in forms):
        return "there as a sqlite database alone, which librepo does not read"
    return f"there as {', '.join(forms)} alone, which is no form that is read"


OPENERS: dict[str, Callable[[str], io.BufferedIOBase]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
CHECKSUM = re.compile(rb"<checksum\b[^>]*\btype=[\"']([a-z0-9]+)[\"']")


def kinds_in(path: str) -> set[str]:
    """The kinds of checksum that a list of packages has."""
    kinds: set[bytes] = set()
    rest = b""
    with opened(path) as stream:
        while chunk := stream.read(1 << 20):
            text = rest + chunk
            kinds.update(CHECKSUM.findall(text))
            # A tag may lie across two chunks.
            rest = text[-200:]
    return {kind.decode() for kind in kinds}


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextlib.contextmanager
def opened(path: str) -> Iterator[Readable]:
    suffix = os.path.splitext(path)[1]
    if suffix != ".zst":
        with OPENERS.get(suffix, plain)(path) as stream:
            yield stream
        return
    try:
        zstd = subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE)
    except FileNotFoundError:
        raise Wrong("its metadata is compressed with zstd (package zstd), which is not on this machine") from None
    with zstd:
        assert zstd.stdout is not None  # PIPE
        yield zstd.stdout
    if zstd.returncode != 0:
        raise Wrong(f"its metadata cannot be unpacked: zstd ended with status {zstd.returncode}")


def plain(path: str) -> io.BufferedIOBase:
    return open(path, "rb")


wrong: dict[str, str] | None = None
for place in asked["places"]:
    print(place["id"], flush=True)
    try:
        fetch(place, os.path.join(asked["dir"], place["dest"]))
    except librepo.LibrepoException as error:
        wrong = {"id": place["id"], "said": str(error.args[1])}
    except Wrong as error:
        wrong = {"id": place["id"], "said": str(error)}
    if wrong is not None:
        break
print(json.dumps({"wrong": wrong}))
