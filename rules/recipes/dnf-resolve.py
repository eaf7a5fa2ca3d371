# Resolves package names with dnf's own resolver, from metadata on this machine alone: nothing of the host's
# configuration, cache and database is seen, and nothing is installed. What a tree holds already is asked for by its
# exact version, so that it satisfies what depends on it and cannot be replaced.
import fnmatch
import json
import os
import sys

import dnf

with open(sys.argv[1], encoding="utf-8") as file:
    asked = json.load(file)


def answer(**words):
    """The one line that is read, and the end."""
    print(json.dumps({"packages": [], "missing": [], "known": [], "lost": [], "problem": None, **words}))
    sys.exit(0)


def nevra(pkg):
    return (pkg.name, pkg.evr, pkg.arch)


def described(pkg):
    """A package as the engine wants it."""
    kind, digest = pkg.returnIdSum()
    return {
        "name": pkg.name,
        "version": pkg.evr,
        "arch": pkg.arch,
        "checksum": [kind, digest],
        "size": pkg.downloadsize,
        "section": pkg.reponame,
        "file": pkg.location,
    }


conf = dnf.conf.Conf()
for name in ("cachedir", "persistdir", "logdir", "installroot"):
    setattr(conf, name, os.path.join(asked["scratch"], name))
    os.makedirs(os.path.join(asked["scratch"], name), exist_ok=True)
conf.substitutions["arch"] = conf.substitutions["basearch"] = asked["arch"]
conf.plugins = False
conf.best = True
conf.install_weak_deps = asked["recommends"]
conf.gpgcheck = False
base = dnf.Base(conf)
for section in asked["sections"]:
    repo = dnf.repo.Repo(section["id"], conf)
    repo.baseurl = [section["url"]]
    for name, value in section["options"].items():
        setattr(repo, name, int(value) if name in ("priority", "cost") else value.split())
    base.repos.add(repo)
base.fill_sack(load_system_repo=False, load_available_repos=True)
# Only where groups are asked for: reading them takes a while.
if any(name.startswith("@") for name in asked["want"]):
    base.read_comps()

available = base.sack.query().available()

if asked["everything"]:
    # Every version of every package, but sources and what is left out.
    packages = [
        pkg
        for pkg in available.run()
        if pkg.arch not in ("src", "nosrc")
        and not any(fnmatch.fnmatchcase(pkg.name, glob) for glob in asked["without"])
    ]
    answer(packages=[described(pkg) for pkg in packages])

held = {(one["name"], one["version"], one["arch"]): one["sha256"] for one in asked["on"]}
there = {}
for pkg in available.filter(name=[name for name, _, _ in held]).run():
    key = nevra(pkg)
    if held.get(key) == pkg.returnIdSum()[1]:
        there[key] = pkg
lost = [" ".join(key) for key in held if key not in there]
if lost:
    answer(lost=lost)

missing = []
alone = []
for name in asked["want"]:
    if name.startswith("@"):
        try:
            base.install_specs([name])
        except dnf.exceptions.MarkingErrors:
            missing.append(name)
        continue
    query = dnf.subject.Subject(name).get_best_query(base.sack).filterm(arch__neq=["src", "nosrc"])
    if not query:
        missing.append(name)
    elif asked["depends"]:
        base.install(name)
    else:
        # The best of each name, for this architecture where there are several.
        best = sorted(query.latest().run(), key=lambda pkg: (pkg.arch != asked["arch"], pkg.arch != "noarch"))
        alone.append(best[0])
if missing:
    names = sorted({pkg.name for pkg in available.run()})
    answer(missing=missing, known=names)
if not asked["depends"]:
    answer(packages=[described(pkg) for pkg in alone])

for pkg in there.values():
    base.goal.install(pkg)
try:
    base.resolve(allow_erasing=False)
except dnf.exceptions.DepsolveError as error:
    answer(problem=str(error))
chosen = list(base.transaction.install_set) if base.transaction else []
answer(packages=[described(pkg) for pkg in chosen if nevra(pkg) not in held])
