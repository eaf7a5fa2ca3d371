class Conf:
    best: bool
    gpgcheck: bool
    install_weak_deps: bool
    module_platform_id: str
    plugins: bool
    substitutions: dict[str, str]
