# What the programs of rules/recipes use of libdnf's sack.
from typing import Optional, Union

IGNORE_EXCLUDES: int
IGNORE_MODULAR_EXCLUDES: int

class Package:
    name: str
    evr: str
    epoch: int
    version: str
    release: str
    arch: str
    downloadsize: int
    reponame: str
    location: str
    baseurl: Optional[str]
    provides: list[object]
    def returnIdSum(self) -> tuple[str, str]: ...
    def __lt__(self, other: Package) -> bool: ...

class Query:
    def filter(self, *, name: Union[str, list[str]] = ...) -> Query: ...
    def filterm(self, *, provides__glob: str = ..., arch__neq: list[str] = ...) -> Query: ...
    def available(self) -> Query: ...
    def latest(self) -> Query: ...
    def run(self) -> list[Package]: ...
    def __bool__(self) -> bool: ...

class Sack:
    def query(self, flags: int = ...) -> Query: ...

class Goal:
    def install(self, package: Package) -> None: ...
