# Runs a script of a void-mklive checkout with stand-ins for all that would change anything: what it asks xbps for is
# written down. Shared by the recipes that need to know that; the checkout is in mklive/.

record=$TMPDIR/record
stand=$TMPDIR/stand-ins
mkdir -p "$record" "$stand" "$TMPDIR/services"
# stand_in NAME… <TEXT: programs of these names.
stand_in() {
    local si_name
    cat >"$stand/$1"
    chmod 755 "$stand/$1"
    for si_name in "${@:2}"; do ln -sf "$1" "$stand/$si_name"; done
}
printf '%s\n' '#!/bin/sh' "RECORD=$record STAND=$stand SERVICES=$TMPDIR/services" >"$TMPDIR/head"
with_head() { cat "$TMPDIR/head" -; }

stand_in true mount mountpoint modprobe tar xz gzip sfdisk partx blkid mkfs.vfat mkfs.fat mkfs.ext2 mkfs.ext3 mkfs.ext4 \
    mkfs.f2fs mkfs.btrfs mkfs.xfs update-binfmts dd chpasswd pwconv udevadm mksquashfs xorriso xbps-reconfigure xbps-pkgdb \
    xbps-alternatives xbps-uchroot xbps-rindex chown \
    qemu-arm qemu-aarch64 qemu-ppc qemu-ppc64 qemu-ppc64le qemu-mipsel qemu-riscv64 qemu-x86_64 qemu-i386 <<'END'
#!/bin/sh
exit 0
END
stand_in id <<'END'
#!/bin/sh
echo 0
END
stand_in xbps-uhelper <<'END'
#!/bin/sh
case $1 in
    arch) exec uname -m ;;
    getpkgversion) echo "${2##*-}" ;;
    getpkgname) echo "${2%-*}" ;;
esac
END
# What was mounted is not there when it no longer is.
with_head <<'END' | stand_in umount
for last; do :; done
case $last in "${RECORD%/*/*}"/*) [ ! -d "$last" ] || find "$last" -mindepth 1 -xdev -delete ;; esac
exit 0
END
with_head <<'END' | stand_in losetup
: >"${RECORD%/*}/loop0"
echo "${RECORD%/*}/loop0"
END
# Packages on this machine's own root are none of the image's, and those that are asked for inside are not known.
with_head <<'END' | stand_in chroot
echo "$1" >>"$RECORD/entered"
root=$1
shift
case "$* " in
    *xbps-install\ * | *xbps-remove\ *) echo "chroot ROOT $*" >>"$RECORD/lost" ;;
    *dracut\ *)
        # What the image will hold, but for what is there only for dracut.
        [ -e "$RECORD/files" ] || { cp -RPp "$root" "$RECORD/files"; rm -rf "$RECORD/files/usr/lib/dracut/modules.d"; }
        ;;
esac
exit 0
END
# Names with the root directory they go to and the architecture it has: `ARCH ROOT NAME`.
with_head <<'END' | stand_in xbps-install xbps-remove
root='' names=''
while [ $# -gt 0 ]; do
    case $1 in
        --) shift; names="$names $*"; break ;;
        --rootdir=*) root=${1#*=} ;;
        --rootdir) root=$2; shift ;;
        --cachedir | --config | --repository) shift ;;
        --*) ;;
        -*)
            word=${1#-}
            while [ -n "$word" ]; do
                rest=${word#?} letter=${word%"${word#?}"}
                case $letter in
                    r) if [ -n "$rest" ]; then root=$rest; else root=$2; shift; fi; break ;;
                    c | C) [ -n "$rest" ] || shift; break ;;
                    # To xbps-remove it is no repository.
                    R) [ "${0##*/}" = xbps-remove ] || { [ -n "$rest" ] || shift; break; } ;;
                esac
                word=$rest
            done
            ;;
        *) names="$names $1" ;;
    esac
    shift
done
case $root in
    /) root='' ;;
    /*) ;;
    ?*) root=$PWD/$root ;;
esac
[ -n "$root$names" ] || exit 0
[ -n "$root" ] || { echo "${0##*/}$names on this machine's own root" >>"$RECORD/lost"; exit 0; }
mkdir -p "$root/etc/runit/runsvdir/default" "$root/usr/bin"
ln -sfn "$SERVICES" "$root/etc/sv"
ln -sf "$STAND/mksquashfs" "$STAND/xorriso" "$root/usr/bin/"
case ${0##*/} in xbps-remove) file=removed ;; *) file=installed ;; esac
for name in $names; do echo "${XBPS_TARGET_ARCH:-${XBPS_ARCH:--}} $root $name" >>"$RECORD/$file"; done
exit 0
END
# Nothing is installed; what a kernel's package is made of is a kernel of some version.
stand_in xbps-query <<'END'
#!/bin/sh
for last; do :; done
case " $* " in
    *" -x "*) echo "${last}0.0>=0" | sed 's/^linux.*0\.0/linux0.0/' ;;
    *" pkgver "*) echo "$last-0.0.0_1" ;;
    *" -X "*) ;;
    *) exit 1 ;;
esac
END

# recorded SCRIPT WORD…: what it asked for is in $record. Where it cannot be followed, that is said.
recorded() {
    local rd_status=0
    for rd_word; do
        # Tarballs beneath and the like: only that they are there counts.
        case $rd_word in *.tar.xz) [ -e "mklive/$rd_word" ] || : >"mklive/$rd_word" ;; esac
    done
    # Each word of the scripts may be a service.
    (cd mklive && cat ./*.sh && printf '%s\n' "$@") | tr -cs 'A-Za-z0-9_.@-' '\n' | grep '^[A-Za-z0-9_]' | sort -u |
        (cd "$TMPDIR/services" && xargs touch --)
    # A blank is no repository, so that the script does not add its own.
    (cd mklive && PATH=$stand:$PATH XBPS_REPOSITORY=' ' MKLIVE_REV="${MKLIVE_REV:- }" "$@") >"$record/log" 2>&1 </dev/null || rd_status=$?
    if [ $rd_status != 0 ]; then
        echo "$1 could not be followed: with stand-ins for xbps and mount it ended with status $rd_status:" >&2
        tail -5 "$record/log" >&2
        exit 1
    fi
    [ ! -e "$record/lost" ] || {
        echo "$1 asks for packages in a way that cannot be followed; xbps-install -r ROOT NAMES can:" >&2
        sed "s|^|  |" "$record/lost" | sort -u >&2
        exit 1
    }
    touch "$record/installed" "$record/removed" "$record/entered"
}

# recorded_packages PART: `all` that goes into roots of the target's architecture; of these `image` alone what stays in
# the one that programs are run in, `initramfs` what does not stay; `host` what this machine's own programs come from.
recorded_packages() {
    local rp_root
    rp_root=$(tail -n 1 "$record/entered")
    case $1 in
        all) cut -d' ' -f3- "$record/installed" ;;
        host) awk -v arch="$(uname -m)" '$1 == arch { print $3 }' "$record/installed" ;;
        image)
            awk -v root="$rp_root" 'NR == FNR { if ($2 == root) gone[$3] = 1; next } $2 == root && !($3 in gone) { print $3 }' \
                "$record/removed" "$record/installed"
            ;;
        initramfs) awk -v root="$rp_root" '$2 == root { print $3 }' "$record/removed" ;;
    esac | awk '!seen[$0]++'
}
