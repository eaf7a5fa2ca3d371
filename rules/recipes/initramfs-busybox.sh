# A small initial RAM file system, $OUT: the static busybox of the tree $TREE, MODULES of the kernel in $KERNEL with
# all they depend on, and a first program that starts a live image from whatever medium holds it.

busybox=$(OUT=$TREE real bin/busybox)
[ -x "$busybox" ] || busybox=$(OUT=$TREE real usr/bin/busybox)
[ -x "$busybox" ] || die "there is no busybox in the tree: install busybox-static"
top=$KERNEL
{ [ -d "$top/lib/modules" ] && [ ! -L "$top/lib" ]; } || top=$KERNEL/usr
version=$(ls "$top/lib/modules" 2>/dev/null) || :
[ -n "$version" ] || die "there is no kernel in the tree (lib/modules/<version>): give kernel"
case $version in *[[:space:]]*) die "several kernels are in the tree: ${version//$'\n'/ }" ;; esac

ram=$TMPDIR/ram
mkdir -p "$ram/bin" "$ram/etc"
cp "$busybox" "$ram/bin/busybox"
chmod 755 "$ram/bin/busybox"
: >"$TMPDIR/paths"
for module in $MODULES; do
    # `insmod PATH` in order, or `builtin NAME`.
    modprobe -d "$top" -S "$version" -D "$module" >"$TMPDIR/depends" || die "kernel $version has no module $module"
    sed -n "s#^insmod .*/lib/modules/#/lib/modules/#p" "$TMPDIR/depends" | sed 's/[[:space:]]*$//' >>"$TMPDIR/paths"
done
awk '!seen[$0]++' "$TMPDIR/paths" >"$ram/etc/modules"
while read -r path; do
    mkdir -p "$ram${path%/*}"
    cp "$top$path" "$ram$path"
done <"$ram/etc/modules"
cat >"$ram/init" <<'INIT'
#!/bin/busybox sh
# Mounts the live image and goes on with its own init. Kernel command line: live=PATH of the image on its medium
# (live/filesystem.squashfs), root=/dev/…, LABEL=… or UUID=… for a system on a disk instead, init=PATH.
/bin/busybox mkdir -p /proc /sys /dev /run /new
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
while read -r module; do insmod "$module"; done </etc/modules
live=live/filesystem.squashfs root= init=/sbin/init
for word in $(cat /proc/cmdline); do
    case $word in
        live=*) live=${word#*=} ;;
        root=*) root=${word#*=} ;;
        init=*) init=${word#*=} ;;
    esac
done
case $root in /dev/ram* | live:*) root= ;; esac

# Mounts what starts; devices may take their time.
find_disk() {
    case $root in LABEL=* | UUID=*) device=$(findfs "$root" 2>/dev/null) ;; *) device=$root ;; esac
    [ -b "$device" ] && mount "$device" /new
}
find_live() {
    for device in /sys/class/block/*; do
        case $device in */loop* | */ram*) continue ;; esac
        device=/dev/${device##*/}
        mount -o ro "$device" /run/live/medium 2>/dev/null || continue
        [ ! -f "/run/live/medium/$live" ] || return 0
        umount /run/live/medium
    done
    return 1
}
search=find_live
[ -z "$root" ] || search=find_disk
mkdir -p /run/live/medium /run/live/image /run/live/changes
left=60
until $search; do
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "initramfs: no device holds ${root:-$live}"; exit 1; }
    sleep 0.5
done
if [ -z "$root" ]; then
    mount -t squashfs -o ro,loop "/run/live/medium/$live" /run/live/image || exit 1
    mount -t tmpfs -o mode=755 changes /run/live/changes
    mkdir /run/live/changes/upper /run/live/changes/work
    mount -t overlay -o lowerdir=/run/live/image,upperdir=/run/live/changes/upper,workdir=/run/live/changes/work \
        overlay /new || exit 1
fi
mkdir -p /new/dev /new/proc /new/sys /new/run
for dir in dev proc sys run; do mount -o move "/$dir" "/new/$dir"; done
exec switch_root /new "$init" </new/dev/console >/new/dev/console 2>&1
INIT
chmod 755 "$ram/init"
find "$ram" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
chown -R 0:0 "$ram"
# Numbers of devices and inodes are renumbered, so that the bytes do not depend on where it lay.
(cd "$ram" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc --reproducible) \
    >"$TMPDIR/cpio"
zstd -q -T0 -19 -o "$OUT" "$TMPDIR/cpio"
