# What the programs of rules/recipes use of librepo.
from typing import Callable, Optional, Union

SHA256: int
SHA384: int
SHA512: int
LRO_REPOTYPE: int
LRO_URLS: int
LRO_MIRRORLISTURL: int
LRO_METALINKURL: int
LRO_USERAGENT: int
LRO_MAXPARALLELDOWNLOADS: int
LRO_DESTDIR: int
LRO_CHECKSUM: int
LRO_GPGCHECK: int
LRO_GNUPGHOMEDIR: int
LRO_YUMDLIST: int
LRO_UPDATE: int
LR_YUMREPO: int
LR_YUM_REPOMDONLY: list[str]
TRANSFER_ERROR: int
CB_OK: int

class LibrepoException(Exception): ...
class Result: ...

class Handle:
    def setopt(self, option: int, value: Union[bool, int, str, list[str]]) -> None: ...
    def perform(self, result: Result) -> None: ...

class PackageTarget:
    err: Optional[str]
    def __init__(
        self,
        relative_url: str,
        *,
        base_url: Optional[str],
        dest: str,
        checksum_type: int,
        checksum: str,
        expectedsize: int,
        resume: bool,
        handle: Handle,
        cbdata: str,
        endcb: Callable[[str, int, Optional[str]], None],
        mirrorfailurecb: Callable[[str, str, str], int],
    ) -> None: ...

def download_packages(targets: list[PackageTarget], failfast: bool) -> None: ...
