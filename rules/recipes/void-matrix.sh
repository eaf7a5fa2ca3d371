# What the Makefile and the scripts of a checkout of void-mklive say of the release, by running them: in a directory with
# copies of what they read. "$@": VAR=value words for make. Prints lines of fields with \037 between:
#   var NAME VALUE        a variable of the Makefile
#   arch PLATFORM ARCH    as lib.sh has it; nothing where it knows none
#   live NAME ARCH        as mkiso.sh has it; nothing where it knows none
#   flavor NAME           one of $FLAVORS that mkiso.sh makes
#   call FILE WORD…       what make would run with $(SUDO) for an artifact
#   odd WORDS             what else it would run
#   error TEXT            what make says
# Platforms beside the Makefile's own are those of $MORE. With $MODE vars there are only variables.
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2123,SC2164,SC2183 # words and names for make, in all of it

mkdir "$TMPDIR/bin"
# lib.sh asks for the machine's architecture when it is read.
printf '#!/bin/sh\nuname -m\n' >"$TMPDIR/bin/xbps-uhelper"
chmod 755 "$TMPDIR/bin/xbps-uhelper"
PATH=$TMPDIR/bin:$PATH
cd mklive || exit
# Of the same day always; not as many threads as this machine has.
set -- DATECODE=00000000 COMPRESSOR_THREADS=0 "$@"
names="REPOSITORY XBPS_REPOSITORY LIVE_PLATFORMS LIVE_FLAVORS LIVE_ARCHS ARCHS PLATFORMS SBC_IMGS CLOUD_IMGS PXE_ARCHS
WSL_ARCHS ALL_LIVE_ISO ALL_ROOTFS ALL_PLATFORMFS ALL_SBC_IMAGES ALL_CLOUD_IMAGES ALL_PXE_ARCHS ALL_WSL"
{
    printf '$(info var\037%s\037$(%s))\n' $(for name in $names; do echo "$name" "$name"; done)
    printf 'imagemake-asks: ; @:\n'
} >"$TMPDIR/ask.mk"
asked="-f $TMPDIR/ask.mk"
ask() { make -rRs -f Makefile $asked "$@"; }
ask "$@" imagemake-asks >"$TMPDIR/vars"
grep -a '^var' "$TMPDIR/vars"
[ "$MODE" != vars ] || exit 0
value() { sed -n "s/^var\x1f$1\x1f//p" "$TMPDIR/vars"; }

mkdir "$TMPDIR/iso"
cp -Rp . "$TMPDIR/iso/"
printf '#!/bin/sh\n[ "$1" = -a ] && echo "$2" >arch\n' >"$TMPDIR/iso/mklive.sh"
chmod 755 "$TMPDIR/iso/mklive.sh"
# planned LIVE FLAVOR: the architecture that mkiso.sh has for it.
planned() {
    rm -f "$TMPDIR/iso/arch"
    (cd "$TMPDIR/iso" && MKLIVE_REV=' ' ./mkiso.sh -t "$1-00000000-$2") >"$TMPDIR/iso/log" 2>&1 </dev/null || return 1
    cat "$TMPDIR/iso/arch"
}
first=$(value LIVE_FLAVORS)
for live in $(value LIVE_ARCHS); do
    printf 'live\037%s\037%s\n' "$live" "$(planned "$live" ${first%% *} || :)"
done
for flavor in $FLAVORS; do
    live=$(value LIVE_ARCHS)
    ! planned ${live%% *} "$flavor" >/dev/null || printf 'flavor\037%s\n' "$flavor"
done

goals="$(value ALL_ROOTFS) $(value ALL_PXE_ARCHS) $(value ALL_WSL)"
for live in $(value LIVE_ARCHS); do
    for flavor in $(value LIVE_FLAVORS) $FLAVORS; do goals="$goals void-live-$live-00000000-$flavor.iso"; done
done
for platform in $(printf '%s\n' $(value PLATFORMS) $(value SBC_IMGS) $(value CLOUD_IMGS) $MORE | awk '!seen[$0]++'); do
    arch=$(sh ./lib.sh platform2arch "$platform" 2>/dev/null) || arch=
    printf 'arch\037%s\037%s\n' "$platform" "$arch"
    # Make has no rule for a platform without one.
    [ -n "$arch" ] || continue
    for file in "$arch-ROOTFS-00000000.tar.xz" "$platform-PLATFORMFS-00000000.tar.xz" "$platform-00000000.img.xz" \
        "$platform-00000000.tar.gz"; do
        case " $goals " in *" void-$file "*) ;; *) goals="$goals void-$file" ;; esac
    done
done
# What make would run is only written down, with its target: that is the variable SUDO. Its words are those of a shell, so
# a shell reads them; it finds no program.
asked=
ask "$@" 'SUDO=ran $@' -n -k $goals >"$TMPDIR/commands" 2>"$TMPDIR/errors" || :
sed 's/^/error\x1f/' "$TMPDIR/errors"
for script in ./*.sh; do
    printf '#!/bin/sh\n[ ! -e /proc/self/fd/3 ] || printf "odd\\037%%s\\n" "$0 $*" >&3\n' >"$script"
done
told() {
    local IFS=$'\037'
    printf '%s\n' "$*" >&3
}
ran() { told call "$@"; }
command_not_found_handle() { told odd "$*"; }
exec 3>&1 >/dev/null
set +eu
CI='' PATH=/nonexistent
# shellcheck source=/dev/null # make's
. "$TMPDIR/commands"
