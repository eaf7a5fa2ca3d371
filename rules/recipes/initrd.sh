# The whole tree $TREE with the modules of $KERNEL as an initial RAM file system: $OUT/initrd.img, cpio and zstd.
# A tree with an init of its own keeps it; one with busybox gets a first program that loads the modules.

extra=$TMPDIR/extra
mkdir -p "$extra"
# A directory that comes again would replace a link: lib -> usr/lib in most trees.
lib=lib
[ ! -L "$TREE/lib" ] || lib=usr/lib
mkdir -p "$extra/$lib"
cp -a "$KERNEL/lib/modules" "$extra/$lib/"
chown -R 0:0 "$extra"

if [ -e "$TREE/init" ] || [ -L "$TREE/init" ]; then
    :
elif [ -x "$TREE/bin/busybox" ] && [ "$(readlink "$TREE/sbin/init" || :)" = /bin/busybox ]; then
    mkdir -p "$extra/etc"
    sed "s#^lib/#/$lib/#" "$KERNEL/load" >"$extra/etc/initrd-modules"
    cat >"$extra/init" <<'INIT'
#!/bin/busybox sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /dev /proc /sys /run
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs -o mode=755 run /run
while read -r module; do insmod "$module"; done </etc/initrd-modules
exec /sbin/init </dev/console >/dev/console 2>&1
INIT
    chmod 755 "$extra/init"
elif [ -e "$TREE/sbin/init" ] || [ -L "$TREE/sbin/init" ]; then
    ln -s sbin/init "$extra/init"
else
    die "the tree has neither /init nor /sbin/init, so nothing would start: install systemd-sysv or busybox"
fi
find "$extra" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

early "$TREE" cpio
archive() { .recipe/node .recipe/archive.mjs cpio "$1"; }
{ archive "$TREE"; archive "$extra"; } | zstd -q -T0 -9 >"$OUT/initrd.img"
