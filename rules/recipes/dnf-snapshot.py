# Fetches the metadata of RPM repositories with librepo, which verifies every file by the index, and the index by its
# signature where that is asked for. It does not know what the packages are for.
import json
import os
import sys

import librepo

# What dnf's resolver reads, and groups. Changelogs and the like are left where they are.
WANTED = ["primary", "filelists", "group", "group_gz", "modules"]

with open(sys.argv[1], encoding="utf-8") as file:
    asked = json.load(file)


def fetch(place, dest):
    """Fetches one repository's metadata into `dest`; returns what is wrong in words, or None."""
    handle = librepo.Handle()
    handle.setopt(librepo.LRO_REPOTYPE, librepo.LR_YUMREPO)
    if place["urls"]:
        handle.setopt(librepo.LRO_URLS, place["urls"])
    if place["mirrorlist"]:
        handle.setopt(librepo.LRO_MIRRORLISTURL, place["mirrorlist"])
    if place["metalink"]:
        handle.setopt(librepo.LRO_METALINKURL, place["metalink"])
    handle.setopt(librepo.LRO_DESTDIR, dest)
    handle.setopt(librepo.LRO_YUMDLIST, WANTED)
    handle.setopt(librepo.LRO_CHECKSUM, True)
    handle.setopt(librepo.LRO_USERAGENT, "imagemake")
    if asked["gnupg"] and place["signed"]:
        handle.setopt(librepo.LRO_GPGCHECK, True)
        handle.setopt(librepo.LRO_GNUPGHOMEDIR, asked["gnupg"])
    os.makedirs(dest)
    try:
        handle.perform(librepo.Result())
    except librepo.LibrepoException as error:
        return str(error.args[1])
    return None


wrong = None
for place in asked["places"]:
    print(place["id"], flush=True)
    said = fetch(place, os.path.join(asked["dir"], place["dest"]))
    if said is not None:
        wrong = {"id": place["id"], "said": said}
        break
print(json.dumps({"wrong": wrong}))
