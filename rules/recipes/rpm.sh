# Shared by recipes that make trees of RPM packages, from repo/ alone, with this machine's rpm. ARCH; DOCS: empty where
# documentation is left out. Nothing of the machine's configuration and database is seen.

emulate_foreign "$ARCH" "$ARCH"

# Where Red Hat's systems have it, through releases; newer ones have a link from here to their own place.
database=/var/lib/rpm

# As the package has them: no administrator's, and none of the user's.
MACROS=/usr/lib/rpm/macros:/usr/lib/rpm/macros.d/macros.*:/usr/lib/rpm/platform/%{_target}/macros

# on_tree ARGUMENT…: rpm on the tree. Scripts of packages run in the tree, with nothing of ours in their environment but
# the epoch, which is also the time of installation.
on_tree() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        rpm --rcfile /usr/lib/rpm/rpmrc --macros "$MACROS" --root "$root" --dbpath "$database" --define "_pkgverify_level none" --define "_tmppath /tmp" --define "_netsharedpath /proc:/sys" "$@"
}

# install_closure: unpacks all of repo/ and runs its scripts. What was resolved is what is installed: rpm looks for what
# they need among them and in the tree once more.
install_closure() {
    [ -s repo/closure ] || return 0
    docs= foreign= in_failed=
    # To rpm a package of another machine is a mistake, unless it is told.
    [ "$ARCH" = "$(uname -m)" ] || foreign=--ignorearch
    [ -n "$DOCS" ] || docs=--excludedocs
    find repo -name '*.rpm' | LC_ALL=C sort >"$TMPDIR/manifest"
    on_tree --upgrade --nosignature --noplugins $docs $foreign "$TMPDIR/manifest" 2>&1 | tee "$TMPDIR/said" ||
        in_failed="rpm failed"
    # To rpm a script that fails after its package was unpacked is a warning: to us it is a tree that is not whole.
    in_scripts=$(sed -n 's/^[a-z]*: \(%.*\) scriptlet failed, /\1 /p' "$TMPDIR/said")
    [ -z "$in_scripts" ] || die "a script of a package failed:" $in_scripts
    [ -z "$in_failed" ] || die "$in_failed"
    on_tree --query --all --queryformat '%{NAME} %{EVR}\n' | sort >"$TMPDIR/installed"
    in_left=$(comm -23 repo/closure "$TMPDIR/installed")
    [ -z "$in_left" ] || die "resolved, but not installed by rpm:" $in_left
}

# settle_modes: directories that were mounted over are as their package has them: rpm leaves them alone meanwhile.
settle_modes() {
    on_tree --query --all --queryformat '[%{FILENAMES} %{FILEMODES:octal}\n]' |
        awk '$1 == "/dev" || $1 == "/proc" || $1 == "/sys" { print $1, substr($2, length($2) - 3) }' |
        while read -r sm_dir sm_mode; do chmod "$sm_mode" "$root$sm_dir"; done
}

# settle_database: takes out what is rpm's while it runs.
settle_database() {
    rm -f "$root$database"/.rpm.lock "$root$database"/rpmdb.sqlite-shm "$root$database"/rpmdb.sqlite-wal
    on_tree --query --all >/dev/null
    rm -f "$root$database"/.rpm.lock "$root$database"/rpmdb.sqlite-shm "$root$database"/rpmdb.sqlite-wal
}
