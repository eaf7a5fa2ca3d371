# Resolves package names with dnf's own resolver, from metadata on this machine alone: nothing of the host's
# configuration, cache and database is seen, and nothing is installed. What a tree holds already is asked for by its
# exact version, so that it satisfies what depends on it and cannot be replaced.
from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
import sys
from typing import Callable, Iterable, NoReturn, TypedDict

import dnf
import hawkey

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dnf_index  # noqa: E402


class Section(TypedDict):
    id: str
    dir: str
    options: dict[str, str]


class Held(TypedDict):
    name: str
    version: str
    arch: str
    sha256: str


class Asked(TypedDict):
    scratch: str
    arch: str
    recommends: bool
    depends: bool
    everything: bool
    without: list[str]
    sections: list[Section]
    want: list[str]
    on: list[Held]


with open(sys.argv[1], encoding="utf-8") as file:
    asked: Asked = json.load(file)


def answer(**words: object) -> NoReturn:
    """The one line that is read, and the end."""
    empty: dict[str, object] = {"packages": [], "files": [], "missing": [], "known": [], "streams": [], "lost": [], "problem": None}
    print(json.dumps({**empty, **words}))
    sys.exit(0)


def nevra(pkg: hawkey.Package) -> tuple[str, str, str]:
    return (pkg.name, pkg.evr, pkg.arch)


def described(pkg: hawkey.Package) -> dict[str, object]:
    """A package as the engine wants it."""
    kind, digest = pkg.returnIdSum()
    return {
        "name": pkg.name,
        "version": pkg.evr,
        "arch": pkg.arch,
        "checksum": [kind, digest],
        "size": pkg.downloadsize,
        "section": pkg.reponame,
        # Media of a set are no address.
        "file": placed(pkg.location, None if (pkg.baseurl or "").startswith("media:") else pkg.baseurl),
    }


def placed(file: str, base: str | None) -> str:
    """A path in the repository, or an address where it says that the file lies elsewhere."""
    return file if not base else f"{base.rstrip('/')}/{file}"


class Base(dnf.Base):
    """dnf, which looks into the installed system for what modules are made for: here a package says that."""

    def _setup_modular_excludes(self) -> None:
        self.conf.module_platform_id = platform(self.sack) or self.conf.module_platform_id
        super()._setup_modular_excludes()


PLATFORM = re.compile(r"base-module\((platform:[^)]+)\)")


def platform(sack: hawkey.Sack) -> str | None:
    """What the newest release package says of itself: `platform:el8`."""
    found = sack.query(flags=hawkey.IGNORE_EXCLUDES).filterm(provides__glob="base-module(platform:*)").run()
    for pkg in sorted(found, reverse=True):
        for provided in pkg.provides:
            match = PLATFORM.match(str(provided))
            if match:
                return match[1]
    return None


class Said(logging.Handler):
    """What dnf warns of, as lines of progress."""

    def emit(self, record: logging.LogRecord) -> None:
        print(" ".join(record.getMessage().split()), flush=True)


def listed(value: str) -> list[str]:
    """The words of a list."""
    return [word for word in re.split(r"[\s,]+", value) if word]


# How the values of a repository's options are read; those of the others are lists.
OPTIONS: dict[str, Callable[[str], object]] = {
    "priority": int,
    "cost": int,
    "module_hotfixes": lambda value: value.lower() in ("1", "yes", "true", "on", "always"),
}

logging.getLogger("dnf").addHandler(Said(logging.WARNING))
conf = dnf.conf.Conf()
for name in ("cachedir", "persistdir", "logdir", "installroot"):
    setattr(conf, name, os.path.join(asked["scratch"], name))
    os.makedirs(os.path.join(asked["scratch"], name), exist_ok=True)
conf.substitutions["arch"] = conf.substitutions["basearch"] = asked["arch"]
conf.plugins = False
conf.best = True
conf.install_weak_deps = asked["recommends"]
conf.gpgcheck = False
base = Base(conf)
for section in asked["sections"]:
    here = os.path.join(asked["scratch"], "repositories", section["id"])
    dnf_index.write_held(section["dir"], here)
    repo = dnf.repo.Repo(section["id"], conf)
    repo.baseurl = [f"file://{here}"]
    repo.skip_if_unavailable = False
    for name, value in section["options"].items():
        setattr(repo, name, OPTIONS.get(name, listed)(value))
    base.repos.add(repo)
base.fill_sack(load_system_repo=False, load_available_repos=True)

if asked["everything"]:
    # Every version of every package, whatever stream it is of, but sources and what is left out.
    packages = [
        pkg
        for pkg in base.sack.query(flags=hawkey.IGNORE_MODULAR_EXCLUDES).available().run()
        if pkg.arch not in ("src", "nosrc")
        and not any(fnmatch.fnmatchcase(pkg.name, glob) for glob in asked["without"])
    ]
    files = [
        {
            "type": record.type,
            "checksum": [record.kind, record.digest],
            "size": record.size,
            "section": section["id"],
            "file": record.file,
            "base": record.base,
        }
        for section in asked["sections"]
        for record in dnf_index.read(section["dir"])
    ]
    answer(packages=[described(pkg) for pkg in packages], files=files)

# Only where groups are asked for: reading them takes a while.
if any(name.startswith("@") for name in asked["want"]):
    base.read_comps()


def every() -> hawkey.Query:
    """All packages, those of streams that are not enabled too."""
    return base.sack.query(flags=hawkey.IGNORE_MODULAR_EXCLUDES).available()


def streams(pkgs: Iterable[hawkey.Package]) -> list[tuple[str, str]]:
    """Modules and their streams that have such packages."""
    ids = {f"{pkg.name}-{pkg.epoch}:{pkg.version}-{pkg.release}.{pkg.arch}" for pkg in pkgs}
    modules = base._moduleContainer.getModulePackages()
    return sorted({(one.getName(), one.getStream()) for one in modules if ids & set(one.getArtifacts())})


def is_stream(name: str) -> bool:
    """Whether it is `@module:stream` and no more: dnf has enabled it, and misses a profile that nobody asked for."""
    module, _, stream = name[1:].partition(":")
    modules = base._moduleContainer.getModulePackages()
    return any((one.getName(), one.getStream()) == (module, stream) for one in modules)


held = {(one["name"], one["version"], one["arch"]): one["sha256"] for one in asked["on"]}
there: dict[tuple[str, str, str], hawkey.Package] = {}
for pkg in every().filter(name=[name for name, _, _ in held]).run():
    key = nevra(pkg)
    if held.get(key) == pkg.returnIdSum()[1]:
        there[key] = pkg
lost = [" ".join(key) for key in held if key not in there]
if lost:
    answer(lost=lost)
# As dnf has it on a running system: what a tree holds decides which streams its modules are of.
enabled = streams(there.values())
for module, stream in enabled:
    base._moduleContainer.enable(module, stream)
if enabled:
    base._setup_excludes_includes()

missing: list[str] = []
hidden: dict[str, list[tuple[str, str]]] = {}
alone: list[hawkey.Package] = []
# A module that is asked for decides which packages there are.
for name in sorted(asked["want"], key=lambda name: not name.startswith("@")):
    if name.startswith("@"):
        try:
            base.install_specs([name])
        except dnf.exceptions.MarkingErrors:
            if not is_stream(name):
                missing.append(name)
        continue
    query = dnf.subject.Subject(name).get_best_query(base.sack).filterm(arch__neq=["src", "nosrc"])
    if not query:
        missing.append(name)
        hidden[name] = streams(every().filter(name=name).run())
    elif asked["depends"]:
        base.install(name)
    else:
        # The best of each name, for this architecture where there are several.
        best = sorted(query.latest().run(), key=lambda pkg: (pkg.arch != asked["arch"], pkg.arch != "noarch"))
        alone.append(best[0])
if missing:
    names = sorted({pkg.name for pkg in base.sack.query().available().run()})
    answer(missing=missing, known=names, streams=[":".join(one) for name in missing for one in hidden.get(name, [])])
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
