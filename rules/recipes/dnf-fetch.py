# Fetches package files with librepo, several at a time, each to `<dir>/<sha256>.part`, going on where an earlier try
# ended, and verifies its checksum.
from __future__ import annotations

import json
import os
import sys
from typing import TypedDict

import librepo


class Place(TypedDict):
    id: str
    urls: list[str]
    mirrorlist: str | None
    metalink: str | None


class Package(TypedDict):
    name: str
    sha256: str
    size: int
    file: str
    section: str


class Asked(TypedDict):
    dir: str
    places: list[Place]
    packages: list[Package]


with open(sys.argv[1], encoding="utf-8") as file:
    asked: Asked = json.load(file)

# By how many digits a digest has.
KINDS = {64: librepo.SHA256, 96: librepo.SHA384, 128: librepo.SHA512}
handles = {}
for place in asked["places"]:
    handle = librepo.Handle()
    handle.setopt(librepo.LRO_REPOTYPE, librepo.LR_YUMREPO)
    if place["urls"]:
        handle.setopt(librepo.LRO_URLS, place["urls"])
    if place["mirrorlist"]:
        handle.setopt(librepo.LRO_MIRRORLISTURL, place["mirrorlist"])
    if place["metalink"]:
        handle.setopt(librepo.LRO_METALINKURL, place["metalink"])
    handle.setopt(librepo.LRO_USERAGENT, "imagemake")
    handle.setopt(librepo.LRO_MAXPARALLELDOWNLOADS, 4)
    handles[place["id"]] = handle

names = {pkg["sha256"]: pkg["name"] for pkg in asked["packages"]}
done = 0


def ended(digest: str, status: int, message: str | None) -> None:
    global done
    done += 1
    if status != librepo.TRANSFER_ERROR:
        print(f"{done} of {len(names)}: {names[digest]}", flush=True)


said: dict[str, str] = {}


def refused(name: str, message: str, url: str) -> int:
    said[name] = message
    return librepo.CB_OK


targets = []
for pkg in asked["packages"]:
    part = os.path.join(asked["dir"], f"{pkg['sha256']}.part")
    # A rest that is longer than the whole could never be gone on with.
    if os.path.exists(part) and os.path.getsize(part) >= pkg["size"]:
        os.unlink(part)
    # An address where the repository says that its file lies elsewhere.
    base, _, path = pkg["file"].rpartition("/") if "://" in pkg["file"] else ("", "", pkg["file"])
    target = librepo.PackageTarget(
        path,
        base_url=base or None,
        dest=part,
        checksum_type=KINDS[len(pkg["sha256"])],
        checksum=pkg["sha256"],
        expectedsize=pkg["size"],
        resume=True,
        handle=handles[pkg["section"]],
        cbdata=pkg["sha256"],
        endcb=ended,
        mirrorfailurecb=refused,
    )
    targets.append((pkg, part, target))

try:
    librepo.download_packages([target for _, _, target in targets], failfast=False)
except librepo.LibrepoException:
    # What went wrong stands with each package.
    pass
failed = []
for pkg, part, target in targets:
    if target.err is not None:
        failed.append({"sha256": pkg["sha256"], "said": said.get(pkg["sha256"], target.err)})
print(json.dumps({"failed": failed}))
