# Shared by recipes that run scripts of a void-mklive checkout, which the stage has in mklive/: nothing of theirs is
# changed, but they find a few programs of ours first on their PATH. ARCH; REPO: the pinned packages.

die() {
    echo "imagemake: $*" >&2
    exit 1
}

work=$PWD
case $work in
    *[[:space:]]*) die "the scripts of void-mklive cannot work in a directory with a blank in its name: $work" ;;
esac
bin=$TMPDIR/bin
trees=$TMPDIR/trees
mkdir -p "$bin" "$trees"

# The tree $1 as xbps knows it now, one package a line with its state.
cat >"$bin/record" <<END
#!/bin/sh
[ -d "\$1/var/db/xbps" ] || exit 0
name=\$(printf %s "\$1" | tr / _)
xbps-query -r "\$1" -l >"$trees/.new" 2>/dev/null && mv "$trees/.new" "$trees/\$name"
END

# Scripts of packages find no TMPDIR of ours, which is not there in their root. What is installed after each step is
# written down: what the script reports is no proof. The database of packages gets neither the time of this moment nor
# where the packages lay while building.
cat >"$bin/chroot" <<END
#!/bin/sh
env -u TMPDIR HOME=/root "$(command -v chroot)" "\$@"
status=\$?
record "\$1"
# Of what configures all packages; scripts do not look at how it ended.
case "\$*" in *"xbps-reconfigure -a"*) echo \$status >"$trees/.configured" ;; esac
exit \$status
END
cat >"$bin/xbps-install" <<END
#!/bin/sh
env -u TMPDIR "$(command -v xbps-install)" --reproducible "\$@"
status=\$?
root=
for word; do
    case \$root in next) root=\$word; break ;; esac
    case \$word in
        --rootdir=*) root=\${word#*=}; break ;;
        --rootdir) root=next ;;
        --*) ;;
        -*r) root=next ;;
    esac
done
case \$root in '' | next) ;; *) record "\$root" ;; esac
exit \$status
END

for program in xbps-reconfigure xbps-remove xbps-uchroot; do
    real=$(command -v "$program") || continue
    printf '#!/bin/sh\nexec env -u TMPDIR "%s" "$@"\n' "$real" >"$bin/$program"
done

# Partitions of a loop device appear in the machine's /dev, and this one is ours alone.
cat >"$bin/losetup" <<END
#!/bin/sh
node() { [ -e "/dev/\$1" ] || mknod "/dev/\$1" b \$(tr : ' ' <"/sys/class/block/\$1/dev"); }
for word; do case \$word in --find | -f) free=\$("$(command -v losetup)" -f) && node "\${free#/dev/}" ;; esac; done
out=\$("$(command -v losetup)" "\$@") || exit
case \$out in
    /dev/loop*) for part in "/sys/class/block/\${out#/dev/}"p*; do [ ! -e "\$part" ] || node "\${part##*/}"; done ;;
esac
[ -z "\$out" ] || printf '%s\n' "\$out"
END
chmod 755 "$bin"/*

# run COMMAND…: in the checkout. A blank is no repository, so that the script does not add its own.
run() { (cd mklive && PATH=$bin:$PATH XBPS_REPOSITORY=' ' "$@"); }

# emulate: sees to it that programs of ARCH run here, and that lib.sh finds the emulator by the name it looks for.
emulate() {
    em_host=$(xbps-uhelper arch)
    case ${ARCH%-musl}-${em_host%-musl} in
        i686-x86_64) return ;;
        armv5tel-* | armv6l-* | armv7l-*) em_cpu=arm ;;
        i686-*) em_cpu=i386 ;;
        *) em_cpu=${ARCH%-musl} ;;
    esac
    [ "${ARCH%-musl}" != "${em_host%-musl}" ] || return 0
    command -v "qemu-$em_cpu" >/dev/null || ln -s "$(command -v "qemu-$em_cpu-static")" "$bin/qemu-$em_cpu"
    # Where qemu comes with update-binfmts instead, lib.sh calls that.
    [ ! -e "/usr/lib/binfmt.d/qemu-$em_cpu.conf" ] || emulate_cpu "$ARCH" "$em_cpu"
}

# needs_vfat: what makes disk images has to mount one.
needs_vfat() {
    grep -qw vfat /proc/filesystems || modprobe -q vfat 2>/dev/null ||
        die "$1 needs the file system vfat, which this machine's kernel does not have: build on another machine"
    [ -e /dev/loop-control ] || die "$1 needs loop devices, which this machine does not give"
}

# same_packages [part]: what was installed is what was resolved, and all of it is configured. With `part`, not all
# that was resolved has to be there still.
same_packages() {
    for sp_file in "$work/$REPO"/*.xbps; do
        sp_file=${sp_file##*/} sp_file=${sp_file%.xbps}
        echo "${sp_file%.*}"
    done | sort -u >"$TMPDIR/resolved"
    cat "$trees"/* >"$TMPDIR/states" 2>/dev/null || die "the script installed nothing"
    [ -s "$TMPDIR/states" ] || die "the script installed nothing"
    sp_half=$(awk '$1 != "ii" { print $2 }' "$TMPDIR/states" | sort -u)
    if [ "$(cat "$trees/.configured" 2>/dev/null || echo 0)" != 0 ]; then
        die "packages were unpacked, and configuring them failed: ${sp_half//$'\n'/ }"
    elif [ -n "$sp_half" ]; then
        echo "imagemake: unpacked, and not configured by the tree's own xbps-reconfigure: ${sp_half//$'\n'/ }"
    fi
    awk '{ print $2 }' "$TMPDIR/states" | sort -u >"$TMPDIR/installed"
    sp_more=$(comm -13 "$TMPDIR/resolved" "$TMPDIR/installed")
    [ -z "$sp_more" ] || die "the script installed what was not resolved for this release: ${sp_more//$'\n'/ }"
    sp_less=$(comm -23 "$TMPDIR/resolved" "$TMPDIR/installed")
    [ "${1:-}" = part ] || [ -z "$sp_less" ] ||
        die "the script did not install what was resolved for this release: ${sp_less//$'\n'/ }"
}

# whole_tarball FILE: it can be read to its end. Scripts do not look at how tar and xz ended.
whole_tarball() {
    [ -s "$1" ] || die "the script reports success, but ${1##*/} is empty or missing"
    tar -tf "$1" >"$TMPDIR/names" || die "the script reports success, but ${1##*/} is cut off or damaged"
}
