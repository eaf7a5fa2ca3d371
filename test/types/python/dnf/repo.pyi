from .conf import Conf

class Repo:
    baseurl: list[str]
    skip_if_unavailable: bool
    def __init__(self, name: str, parent_conf: Conf) -> None: ...
