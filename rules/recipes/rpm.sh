# Shared by recipes that make trees of RPM packages, from repo/ alone, with this machine's rpm. ARCH; DOCS: empty where
# documentation is left out. Nothing of the machine's configuration and database is seen.

emulate_foreign "$ARCH" "$ARCH"

# Where Red Hat's systems have it, through releases; newer ones have a link from here to their own place.
database=/var/lib/rpm

# As the package has them: no administrator's, and none of the user's.
MACROS='/usr/lib/rpm/macros:/usr/lib/rpm/macros.d/macros.*:/usr/lib/rpm/platform/%{_target}/macros'

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
    docs='' foreign='' in_failed=''
    # To rpm a package of another machine is a mistake, unless it is told.
    [ "$ARCH" = "$(uname -m)" ] || foreign=--ignorearch
    [ -n "$DOCS" ] || docs=--excludedocs
    find repo -name '*.rpm' | LC_ALL=C sort >"$TMPDIR/manifest"
    on_tree --upgrade --nosignature --noplugins $docs $foreign "$TMPDIR/manifest" 2>&1 | tee "$TMPDIR/said" ||
        in_failed="rpm failed"
    # To rpm a script that fails after its package was unpacked is a warning: to us it is a tree that is not whole.
    in_scripts=$(sed -n 's/^[a-z]*: \(%.*\) scriptlet failed, /\1 /p' "$TMPDIR/said")
    [ -z "$in_scripts" ] || die "a script of a package failed: ${in_scripts//$'\n'/ }"
    [ -z "$in_failed" ] || die "$in_failed"
    ownerless
    on_tree --query --all --queryformat '%{NAME} %{EVR}\n' | sort >"$TMPDIR/installed"
    in_left=$(comm -23 repo/closure "$TMPDIR/installed")
    [ -z "$in_left" ] || die "resolved, but not installed by rpm: ${in_left//$'\n'/ }"
}

# ownerless: tells of files whose user or group the tree did not have when rpm unpacked them: they are root's.
ownerless() {
    sed -n 's/^warning: \(user\|group\) \(.*\) does not exist - using .*/\1 \2/p' "$TMPDIR/said" | sort -u >"$TMPDIR/nobody"
    [ -s "$TMPDIR/nobody" ] || return 0
    ow_files=$(on_tree --query --all --queryformat '[%{FILENAMES}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\n]' |
        awk -F '\t' -v nobody="$TMPDIR/nobody" '
            BEGIN { while ((getline line < nobody) > 0) none[line] = 1 }
            ("user " $2) in none || ("group " $3) in none { print $1 " " $2 ":" $3 }' | LC_ALL=C sort)
    loses "files are root's, without set-user-ID and set-group-ID, as the tree had not the owners that their packages say" \
        "$ow_files"
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
