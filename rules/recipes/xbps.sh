# Shared by recipes that make trees of Void's packages, as mkrootfs.sh and mkplatformfs.sh do, from repo/ alone.
# ARCH. Nothing of the build stays in the tree, and nothing that would differ the next time.

host=$(xbps-uhelper arch)
# What this machine runs itself is installed as XBPS_ARCH, the rest as XBPS_TARGET_ARCH, which leaves what has to
# run in the tree for later.
case ${ARCH%-musl}-${host%-musl} in
    i686-x86_64) native=yes ;;
    *) [ "${ARCH%-musl}" = "${host%-musl}" ] && native=yes || native=no ;;
esac
case ${ARCH%-musl} in
    armv*) cpu=arm ;;
    i686) cpu=i386 ;;
    *) cpu=${ARCH%-musl} ;;
esac
[ "$native" = yes ] || emulate_cpu "$ARCH" "$cpu"

# for_target COMMAND…: a program of this machine on the tree. Scripts of packages find no TMPDIR of ours, which is
# not there in their root.
for_target() {
    if [ "$native" = yes ]; then
        env -u TMPDIR HOME=/root XBPS_ARCH="$ARCH" "$@"
    else
        env -u TMPDIR HOME=/root XBPS_TARGET_ARCH="$ARCH" "$@"
    fi
}

# packages asked|needed: names out of the closure. Those that nothing else in it needs are asked for, the others
# come along; so the tree depends on the closure alone, and not on how a list is written.
packages() { sed -n "s/-[^-]* $1\$//p" repo/closure; }

# install_closure: unpacks all of repo/. --reproducible leaves times and repositories out of the database. What the
# tree held before stays, also where a package replaces it: what is built on this tree counts on that.
install_closure() {
    names_installed >"$TMPDIR/held"
    mkdir "$TMPDIR/cache" "$TMPDIR/xbps.d"
    set -- xbps-install --reproducible --ignore-conf-repos --repository="$PWD/repo" --cachedir="$TMPDIR/cache" \
        --rootdir="$root" --unpack-only --yes
    # shellcheck disable=SC2046 # names are words
    [ -z "$(packages asked)" ] || for_target "$@" -- $(packages asked) || die "xbps-install failed"
    # Packages that need each other have nobody who asks for them.
    in_left=$(not_installed)
    # shellcheck disable=SC2086
    [ -z "$in_left" ] || for_target "$@" --automatic -- $in_left || die "xbps-install failed"
    in_left=$(not_installed)
    [ -z "$in_left" ] || die "resolved, but not installed by xbps: ${in_left//$'\n'/ }"
    in_gone=$(names_installed | comm -13 - "$TMPDIR/held")
    [ -z "$in_gone" ] || die "xbps removed what the tree beneath holds, because a package that is installed here" \
        "replaces it (ask for that package in the tree beneath instead): ${in_gone//$'\n'/ }"
}
all_installed() { xbps-query --rootdir="$root" --list-pkgs | awk '{ print $2 }' | sort; }
names_installed() { all_installed | sed 's/-[^-]*$//' | sort; }
not_installed() {
    all_installed >"$TMPDIR/installed"
    awk '{ print $1 }' repo/closure | sort | comm -23 - "$TMPDIR/installed" | sed 's/-[^-]*$//'
}

# configure_all: what mkrootfs.sh does not look at: a script that fails is a tree that is not whole.
configure_all() {
    inside_tree xbps-reconfigure -a 2>&1 | tee "$TMPDIR/configured" || not_configured
    co_left=$(unconfigured)
    [ -z "$co_left" ] || echo "unpacked, and not configured by the tree's own xbps-reconfigure: ${co_left//$'\n'/ }"
}

# not_configured: names the package whose script failed. The database is none to ask: xbps-reconfigure ends without
# writing what it did, so that all are unconfigured there.
not_configured() {
    nc_it=$(awk '/: configuring \.\.\.$/ { it = $1 } /: configured successfully\.$/ { it = "" }
        END { sub(/:$/, "", it); print it }' "$TMPDIR/configured")
    [ -z "$nc_it" ] || die "$nc_it could not be configured"
    die "xbps-reconfigure failed in the tree; unpacked, and not configured: $(unconfigured | paste -sd ' ')"
}
unconfigured() { xbps-query --rootdir="$root" --list-pkgs | awk '$1 != "ii" { print $2 }'; }
