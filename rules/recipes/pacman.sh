# Shared by recipes that make trees of Arch's packages, from repo/ alone, with this machine's pacman. ARCH;
# NO_EXTRACT: patterns of files that are not unpacked. Nothing of the machine's configuration, cache, keyring and
# mirrorlist is seen, and nothing of the build stays in the tree.

case $ARCH-$(uname -m) in
    x86_64-x86_64 | aarch64-aarch64 | riscv64-riscv64 | armv7h-armv[78]l) ;;
    armv7h-*) emulate_cpu "$ARCH" arm ;;
    *) emulate_cpu "$ARCH" "$ARCH" ;;
esac

# Pacman works on these by their paths, so links in the tree would lead it elsewhere. What it unpacks, it never
# unpacks through a link.
for dir in var var/lib var/lib/pacman var/lib/pacman/local etc etc/pacman.d; do
    [ ! -L "$root/$dir" ] || die "/$dir is a symbolic link in the tree, which pacman of this machine would follow"
done

# What lies in repo/ was verified when it was fetched.
cat >"$TMPDIR/pacman.conf" <<END
[options]
Architecture = $ARCH
DBPath = $root/var/lib/pacman/
GPGDir = $TMPDIR/gnupg/
LogFile = $TMPDIR/pacman.log
SigLevel = Never
LocalFileSigLevel = Never
${NO_EXTRACT:+NoExtract = $NO_EXTRACT}
END

# on_tree ARGUMENT…: pacman on the tree. Scripts and hooks of packages run in the tree, with nothing of ours in their
# environment but the epoch. In a configuration blanks would divide these two directories.
on_tree() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        pacman --config "$TMPDIR/pacman.conf" --root "$root" --cachedir "$TMPDIR/cache" \
        --hookdir "$root/etc/pacman.d/hooks" "$@"
}

# install_closure: unpacks all of repo/ and runs its scripts and hooks.
install_closure() {
    [ -s repo/closure ] || return 0
    mkdir "$TMPDIR/cache"
    on_tree -U --noconfirm --noprogressbar --asdeps -- repo/*.pkg.tar 2>&1 | tee "$TMPDIR/said" || die "pacman failed"
    # To pacman a script or a hook that fails is no failure: to us it is a tree that is not whole.
    ! grep -q '^error: command failed to execute correctly' "$TMPDIR/said" ||
        die "a script or a hook of a package failed: $(awk '
            /^(re)?installing |^upgrading |^\( *[0-9]+\/[0-9]+\) / { at = $0; sub(/\.\.\.$/, "", at) }
            /^error: command failed to execute correctly/ { printf "%s%s", sep, at; sep = "; " }' "$TMPDIR/said")"
    on_tree -Q | sort >"$TMPDIR/installed"
    in_left=$(comm -23 repo/closure "$TMPDIR/installed")
    [ -z "$in_left" ] || die "resolved, but not installed by pacman: ${in_left//$'\n'/ }"

    # Those that nothing else in the tree needs are asked for, the others came along; so the tree depends on the
    # closure alone, and not on how a list is written.
    sed 's/ .*//' repo/closure >"$TMPDIR/names"
    # Status 1 where there is none.
    { on_tree -Qdttq || :; } | grep -xFf "$TMPDIR/names" >"$TMPDIR/asked" || :
    # shellcheck disable=SC2046 # names are words
    [ ! -s "$TMPDIR/asked" ] || on_tree -D --asexplicit -- $(cat "$TMPDIR/asked") >/dev/null

    # Pacman knows no epoch.
    while read -r name version; do
        sed -i "/^%INSTALLDATE%\$/{n;s/.*/$SOURCE_DATE_EPOCH/}" "$root/var/lib/pacman/local/$name-$version/desc"
    done <repo/closure
}
