# A Debian root filesystem into $OUT, with mmdebstrap, from the packages in repo/ alone.
# ARCH, CPU, VARIANT; IN_IMAGE: the image's line in sources.list, or empty; SOURCES instead of it: deb822; PREFERENCES.

case $VARIANT in
    busybox)
        variant=custom hooks=--hook-dir=/usr/share/mmdebstrap/hooks/busybox
        # Without one of these mmdebstrap and dpkg end in words that do not name it.
        lacking=$(for name in base-files base-passwd debianutils dpkg libc-bin; do
            closure | grep -x "$name" >"$TMPDIR/has" || printf '%s ' "$name"
        done)
        closure | grep -xE 'busybox(-static)?' >"$TMPDIR/has" || lacking="busybox-static $lacking"
        [ -z "$lacking" ] || die "variant busybox is made of packages that have to be named: add ${lacking% }"
        ;;
    *) variant=$VARIANT hooks=--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr ;;
esac
emulate_foreign "$ARCH" "$CPU"

set -- --mode=root --format=directory --verbose --skip=check/qemu --skip=cleanup/reproducible
set -- "$@" --architectures="$ARCH" --variant="$variant" "$hooks"
# It copies this machine's resolv.conf and hostname into the tree: what packages' scripts see is the same everywhere.
# shellcheck disable=SC2016 # mmdebstrap gives it the tree
set -- "$@" --setup-hook='cd "$1/etc" && rm -f resolv.conf hostname && : >resolv.conf && echo localhost >hostname'
# Before the first package is configured.
answers "$TMPDIR/debconf"
# Its path stands in the text: a variable would be seen by packages' scripts.
[ ! -d "$TMPDIR/debconf" ] ||
    set -- "$@" --setup-hook="mkdir -p \"\$1/var/cache/debconf\" && cp -p '$TMPDIR/debconf'/* \"\$1/var/cache/debconf/\""
# Nobody but root can read the stage, and what is built is not on a disk that must survive a power cut.
set -- "$@" --aptopt='APT::Sandbox::User "root"' --dpkgopt=force-unsafe-io
while IFS= read -r line; do set -- "$@" --dpkgopt="$line"; done < <(excludes)
while IFS= read -r name; do set -- "$@" --include="$name"; done < <(closure)

# It hangs up its process group when it fails, so it gets one of its own.
for_scripts TMPDIR="$TMPDIR" setsid --wait mmdebstrap "$@" "" "$OUT" "deb [trusted=yes] copy:$(uri "$PWD/repo") ./"

clean_tree
# What the scripts saw; a link is a package's own.
[ -L "$OUT/etc/resolv.conf" ] || rm -f "$OUT/etc/resolv.conf"
rm -f "$OUT/etc/hostname" "$OUT/etc/.resolv.conf.systemd-resolved.bak"
if [ -e "$OUT/var/lib/dpkg/info/apt.list" ]; then
    if [ -n "$IN_IMAGE" ]; then printf '%s\n' "$IN_IMAGE"; fi >"$OUT/etc/apt/sources.list"
    id=$(sed -n 's/^ID="\{0,1\}\([a-z0-9._-]*\).*/\1/p' "$OUT/etc/os-release" || :)
    put() { mkdir -p "$OUT/etc/apt/$1" && printf '%s\n' "$3" >"$OUT/etc/apt/$1/${id:-debian}.$2"; }
    [ -z "${SOURCES:-}" ] || put sources.list.d sources "$SOURCES"
    [ -z "${PREFERENCES:-}" ] || put preferences.d pref "${PREFERENCES%
}"
else
    rm -rf "$OUT/etc/apt" "$OUT/var/lib/apt" "$OUT/var/cache/apt" "$OUT/var/log/apt"
fi
mark_automatic
