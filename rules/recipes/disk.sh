# The tree $TREE as a disk image, $OUT, without loop devices and mounts. FS, SIZE (bytes, or empty), LABEL, BOOT,
# BOOT_SIZE (bytes), JOURNAL, RAW (lines of a place and a file of the tree), FORM (the suffix), names of file systems
# and partitions; EFI_NAME, GRUB_PLATFORM. Units are sectors of 512 bytes unless said.

MIB=2048
image=$TMPDIR/disk.raw
[ "$FORM" = .img ] && image=$OUT
[ "$FORM" = .raw ] && image=$OUT

# sectors BYTES: whole MiB.
# shellcheck disable=SC2017 # what is cut off is meant to be
sectors() { echo $((($1 + 1048575) / 1048576 * MIB)); }

# need DIR: what a file system for DIR takes, in bytes; the same wherever DIR lies. A file takes blocks of 4 KiB and an
# inode; each is counted once.
need() {
    find "$1" -printf '%i %s %y\n' | sort -u | awk '
        $3 == "f" || $3 == "d" { b += int(($2 + 4095) / 4096) * 4096 } { b += 512 } END { printf "%d\n", b * 1.06 }'
}

# for_inodes DIR SIZE: the option with which mke2fs makes enough of them in SIZE bytes: it counts on files of 16 KiB, in a
# small one of 4 KiB.
for_inodes() {
    fi_per=16384
    [ "$2" -ge $((512 * 1048576)) ] || fi_per=4096
    fi_count=$(find "$1" -printf '%i\n' | sort -u | wc -l)
    fi_count=$((fi_count + fi_count / 4 + 4096))
    [ "$fi_count" -le $(($2 / fi_per)) ] || echo "-N $fi_count"
}

root=$TREE
boot_partition=
case $BOOT in
    rpi | uboot) boot_partition=yes ;;
esac
if [ -n "$boot_partition" ]; then
    # /boot is a file system of its own: an overlay hides it, so that nothing is copied.
    mkdir "$TMPDIR/root" "$TMPDIR/empty"
    mount --rbind "$TREE" "$TMPDIR/root"
    mount --bind "$TMPDIR/empty" "$TMPDIR/root/boot"
    # What lies beneath shows in the root file system: the directory as the tree has it.
    chown --reference="$TREE/boot" "$TMPDIR/empty"
    chmod --reference="$TREE/boot" "$TMPDIR/empty"
    touch -r "$TREE/boot" "$TMPDIR/empty"
    root=$TMPDIR/root
fi

# Where things are: first what is before the file systems, the root last.
at=$MIB
[ -z "$RAW" ] || at=$((16 * MIB))
table='' number=0
# part SIZE TYPE UUID NAME: the next partition; sets `start` and `number`.
part() {
    number=$((number + 1)) start=$at
    at=$((at + $1))
    table="$table
start=$start, size=$1, $(if [ "$scheme" = gpt ]; then echo "type=$2, uuid=$3, name=$4"; else echo "type=$5${6:-}"; fi)"
}
scheme=gpt
[ "$BOOT" != rpi ] || scheme=dos
bios='' esp='' bootfs=''
case $BOOT in grub | grub-bios)
    part $MIB 21686148-6449-6E6F-744E-656564454649 "$BIOS_PART" bios
    bios=$start ;;
esac
case $BOOT in grub | grub-efi)
    esp_size=$((64 * MIB))
    part $esp_size C12A7328-F81F-11D2-BA4B-00A0C93EC93B "$BOOT_PART" efi
    esp=$start ;;
esac
if [ -n "$boot_partition" ]; then
    boot_size=$(sectors "$BOOT_SIZE")
    part "$boot_size" L "$BOOT_PART" "BootFS, attrs=LegacyBIOSBootable" b ", bootable"
    bootfs=$start
fi
# GPT has its second half in the last MiB.
if [ -n "$SIZE" ]; then
    root_size=$((SIZE / 512 / MIB * MIB - at - MIB))
    [ "$root_size" -ge $((8 * MIB)) ] || die "size: nothing is left of it for the root file system"
else
    root_size=$(sectors $(($(need "$root") + 64 * 1048576)))
fi
needs_space $(($(need "$root") / 1024)) "this image"
if [ -n "$SIZE" ]; then room="size: $((SIZE / 1048576)) MiB"; else room="$(((at + root_size + MIB) / MIB)) MiB, as computed"; fi
small="the tree does not fit into the image ($room): say a larger size"
if [ "$FS" = btrfs ]; then
    # What its chunks and its second copy of metadata take it knows alone: it makes the file larger where it has to.
    truncate -s $((root_size * 512)) "$TMPDIR/root.btrfs"
    mkfs.btrfs -q -U "$ROOT_UUID" ${LABEL:+-L "$LABEL"} --rootdir "$root" "$TMPDIR/root.btrfs" ||
        die "mkfs.btrfs failed"
    made_size=$(sectors "$(stat -c %s "$TMPDIR/root.btrfs")")
    [ -z "$SIZE" ] || [ "$made_size" = "$root_size" ] || die "$small"
    root_size=$made_size
fi
part "$root_size" L "$ROOT_PART" root 83
rootfs=$start
total=$((at + MIB))
truncate -s $((total * 512)) "$image"
id=$DISK_UUID
[ $scheme = gpt ] || id=0x$DISK_ID
printf 'label: %s\nlabel-id: %s\nunit: sectors\n%s%s\n' $scheme "$id" "$([ $scheme = dos ] || echo 'first-lba: 34')" "$table" |
    sfdisk --quiet --no-reread --no-tell-kernel "$image"

# fat FILE SIZE ID LABEL [BITS]: an empty FAT file system, at its place in the image.
fat() {
    mkfs.vfat --invariant -i "$(printf %s "$3" | tr -d -)" -n "$4" ${5:+-F "$5"} "$TMPDIR/$1" >/dev/null
}
# there DIR: `there` is that directory (./a/b) as mtools finds it: to them brackets are a pattern.
there() { there=::${1#.} there=${there//[/\\[} there=${there//]/\\]}; }
# one_by_one FILE DIR: the files named in $TMPDIR/in, for the directory $there: one cannot be put there, and it is said which.
one_by_one() {
    while IFS= read -r -d '' file; do
        mcopy -m -o -i "$TMPDIR/$1" "$2/$file" "$there/" 2>"$TMPDIR/mcopy" </dev/null || {
            cat "$TMPDIR/mcopy" >&2
            grep -qiE 'disk full|no free|too big|no directory slots' "$TMPDIR/mcopy" || die "mcopy cannot put ${file#./} into FAT"
            die "${file#./} does not fit into a FAT file system of ${1%.fat}"
        }
    done <"$TMPDIR/in"
}
# fill FILE DIR: DIR's contents into it, without links and devices, which it cannot hold.
fill() {
    (cd "$2" && find . -mindepth 1 '(' -type f -o -type d ')' -printf '%P\0') >"$TMPDIR/names"
    # mdir takes an empty one for a failure.
    [ -s "$TMPDIR/names" ] || return 0
    # mtools would write those under other names, in silence, and of two that differ in case one.
    LC_ALL=C grep -zE '[[:cntrl:]":*<>?\\|]|[. ](/|$)' "$TMPDIR/names" >"$TMPDIR/bad" || :
    [ ! -s "$TMPDIR/bad" ] || die "FAT cannot hold a name such as \"$(head -zn 1 "$TMPDIR/bad" | tr -d '\0' | tr '\n' '?')\""
    LC_ALL=C sort -zf "$TMPDIR/names" | LC_ALL=C uniq -zDi >"$TMPDIR/bad"
    tr '\0' '\n' <"$TMPDIR/names" >"$TMPDIR/lines"
    # A control character, which no name has here, ends each. Of a character that its code page lacks mtools makes one like it, and does not end where that name is there already.
    [ -s "$TMPDIR/bad" ] || sed 's/./&\n/g; s/$/\x01/' "$TMPDIR/lines" | iconv -c -f UTF-8 -t CP850//TRANSLIT | LC_ALL=C cut -b1 |
        LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C awk -v lines="$TMPDIR/lines" '$0 != "\001" { as = as $0; next } { getline name <lines }
            as !~ /[?]/ { if (as in had) printf "%s\n%s\n", had[as], name; had[as] = name } { as = "" }' |
        tr '\n' '\0' >"$TMPDIR/bad"
    [ ! -s "$TMPDIR/bad" ] || die "to FAT these are one name: $(head -zn 2 "$TMPDIR/bad" | tr '\0' ' ')"
    # All directories at once, and all files of one, because there may be thousands. What FAT has none of was said before.
    (cd "$2" && find . -mindepth 1 -type d -print0) | LC_ALL=C sort -z | while IFS= read -r -d '' dir; do
        there "${dir%/*}"
        printf '%s/%s\0' "$there" "${dir##*/}"
    done | xargs -0r mmd -i "$TMPDIR/$1"
    (cd "$2" && find . -type d -print0) | LC_ALL=C sort -z | while IFS= read -r -d '' dir; do
        (cd "$2" && find "$dir" -mindepth 1 -maxdepth 1 -type f -print0) | LC_ALL=C sort -z >"$TMPDIR/in"
        there "$dir"
        # shellcheck disable=SC2016 # the shell that xargs starts fills them in
        (cd "$2" && xargs -0r -a "$TMPDIR/in" sh -c 'to=$1 image=$2; shift 2; exec mcopy -m -i "$image" "$@" "$to"' sh \
            "$there/" "$TMPDIR/$1" >/dev/null 2>&1 </dev/null) || one_by_one "$1" "$2"
    done
    # mtools writes what its code page lacks as something like it. It has capitals as it likes in what it says.
    mdir -a -b -/ -i "$TMPDIR/$1" :: | sed 's|^::/||; s|/$||; s/.*/\L&/' | LC_ALL=C sort >"$TMPDIR/there"
    loses "FAT does not hold these names as they are" "$(awk '{ print; print }' "$TMPDIR/lines" |
        sed 'n; s/.*/\L&/' | awk 'NR == FNR { there[$0]; next } FNR % 2 { name = $0; next } !($0 in there) { print name }' \
        "$TMPDIR/there" - | LC_ALL=C sort)"
}
# place FILE SECTOR: its bytes into the image, holes left out.
place() { dd if="$1" of="$image" bs=1M oflag=seek_bytes seek=$(($2 * 512)) conv=notrunc,sparse status=none; }

case $FS in
    ext4)
        features=
        [ -n "$JOURNAL" ] || features='-O ^has_journal'
        # All that it makes itself has the time of the epoch.
        export E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH"
        # shellcheck disable=SC2046,SC2086 # words
        mke2fs -q -F -t ext4 $features $(for_inodes "$root" $((root_size * 512))) -U "$ROOT_UUID" ${LABEL:+-L "$LABEL"} -m 1 \
            -E "offset=$((rootfs * 512)),hash_seed=$ROOT_UUID,lazy_itable_init=0,root_owner=0:0" \
            -d "$root" "$image" $((root_size / 2))k 2>"$TMPDIR/mke2fs" || {
            cat "$TMPDIR/mke2fs" >&2
            grep -qiE 'could not allocate|no space left|no free' "$TMPDIR/mke2fs" || die "mke2fs cannot put the tree into ext4"
            die "$small"
        }
        # It takes the time of each file's last change from the tree, which is that of this build.
        debugfs -R 'ls' "$image?offset=$((rootfs * 512))" >/dev/null 2>&1 || die "debugfs cannot read the image"
        count=$(dumpe2fs -h "$image?offset=$((rootfs * 512))" 2>/dev/null | awk '/^Inode count:/ { c = $3 } /^Free inodes:/ { f = $3 } END { print c - f }')
        # Inodes are given in order.
        awk -v count="$count" -v epoch="$SOURCE_DATE_EPOCH" 'BEGIN { for (i = 2; i <= count; i++) {
            if (i > 2 && i < 11) continue
            print "sif <" i "> ctime @" epoch; print "sif <" i "> atime @" epoch; print "sif <" i "> crtime @" epoch
            print "sif <" i "> ctime_extra 0"; print "sif <" i "> atime_extra 0"; print "sif <" i "> crtime_extra 0" } }' \
            >"$TMPDIR/times"
        debugfs -w -f "$TMPDIR/times" "$image?offset=$((rootfs * 512))" >"$TMPDIR/debugfs" 2>&1 ||
            die "debugfs failed: $(tail -1 "$TMPDIR/debugfs")"
        ;;
    btrfs)
        place "$TMPDIR/root.btrfs" "$rootfs"
        ;;
    vfat)
        truncate -s $((root_size * 512)) "$TMPDIR/root.fat"
        fat root.fat "$root_size" "$ROOT_FAT" "${LABEL:-ROOT}"
        fill root.fat "$root"
        place "$TMPDIR/root.fat" "$rootfs"
        ;;
esac

if [ -n "$bootfs" ]; then
    truncate -s $((boot_size * 512)) "$TMPDIR/boot.fat"
    fat boot.fat "$boot_size" "$BOOT_FAT" BOOT 16
    fill boot.fat "$TREE/boot"
    place "$TMPDIR/boot.fat" "$bootfs"
fi

# grub_image PLATFORM FILE MODULE…: GRUB that finds the root file system and its menu.
grub_image() {
    gi_platform=$1 gi_file=$2
    shift 2
    cat >"$TMPDIR/early.cfg" <<END
search --no-floppy --set=root --fs-uuid $ROOT_UUID
set prefix=(\$root)/boot/grub
configfile (\$root)/boot/grub/grub.cfg
configfile (\$root)/boot/grub/fallback.cfg
END
    # What menus of the system's own grub-mkconfig ask for is in it too.
    grub-mkimage -O "$gi_platform" -o "$gi_file" -p /boot/grub -c "$TMPDIR/early.cfg" "$@" \
        part_gpt part_msdos ext2 btrfs fat search search_fs_uuid search_fs_file search_label normal configfile linux \
        serial terminal echo test regexp loadenv gzio gettext all_video font gfxterm minicmd sleep true help ls cat halt reboot
}
# word OFFSET VALUE BYTES FILE: a little-endian number.
word() {
    wo_value=$2 wo_left=$3 wo_text=
    while [ "$wo_left" -gt 0 ]; do
        wo_text="$wo_text\\$(printf %03o $((wo_value % 256)))"
        wo_value=$((wo_value / 256)) wo_left=$((wo_left - 1))
    done
    # shellcheck disable=SC2059 # these are the bytes
    printf "$wo_text" | dd of="$4" bs=1 seek="$1" conv=notrunc status=none
}
if [ -n "$bios" ]; then
    grub_image i386-pc "$TMPDIR/core.img" biosdisk
    [ "$(stat -c %s "$TMPDIR/core.img")" -le 1048576 ] || die "GRUB is larger than its partition"
    # As grub-bios-setup does it: the first sector says where the second is, and the second where the rest is.
    cp /usr/lib/grub/i386-pc/boot.img "$TMPDIR/boot.img"
    word 92 "$bios" 8 "$TMPDIR/boot.img"
    word 500 $((bios + 1)) 8 "$TMPDIR/core.img"
    dd if="$TMPDIR/boot.img" of="$image" bs=1 count=440 conv=notrunc status=none
    place "$TMPDIR/core.img" "$bios"
fi
if [ -n "$esp" ]; then
    mkdir -p "$TMPDIR/esp/EFI/BOOT"
    grub_image "$GRUB_PLATFORM" "$TMPDIR/esp/EFI/BOOT/$EFI_NAME"
    find "$TMPDIR/esp" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    truncate -s $((esp_size * 512)) "$TMPDIR/esp.fat"
    fat esp.fat "$esp_size" "$BOOT_FAT" EFI 32
    fill esp.fat "$TMPDIR/esp"
    place "$TMPDIR/esp.fat" "$esp"
fi
# What is at the begin of the disk before any of RAW: lines of a first byte, the one after the last, and words. GPT has the half
# of its table that counts in the first 34 sectors, MBR its own behind 440 bytes of code, which are GRUB's where it starts.
case $scheme in
    gpt) echo "440 $((34 * 512)) the partition table, which is GPT: its first place is byte $((34 * 512))" ;;
    dos) echo "440 512 the partition table" ;;
esac >"$TMPDIR/taken"
[ -z "$bios" ] || echo "0 440 the code that starts GRUB" >>"$TMPDIR/taken"
[ -z "$RAW" ] || printf '%s\n' "$RAW" | while read -r where file; do
    blob=$(OUT=$TREE inside "$file")
    [ -f "$blob" ] || die "raw: there is no file $file in the tree"
    end=$((where + $(stat -c %s "$blob")))
    [ "$end" -le $((16 * 1048576)) ] || die "raw: $file reaches into the first partition"
    while read -r from to what; do
        { [ "$end" -le "$from" ] || [ "$where" -ge "$to" ]; } || die "raw: $file, at bytes $where to $end, would lie over $what"
    done <"$TMPDIR/taken"
    echo "$where $end $file, at bytes $where to $end" >>"$TMPDIR/taken"
    dd if="$blob" of="$image" bs=1M oflag=seek_bytes seek="$where" conv=notrunc status=none
done

case $FORM in
    .img | .raw) ;;
    .img.xz) xz -T0 -c "$image" >"$OUT" ;;
    .img.gz) pigz -n -c "$image" >"$OUT" ;;
    .img.zst) zstd -q -T0 -9 -c "$image" >"$OUT" ;;
    .tar.gz)
        # The name and the format are what Google Compute Engine's import demands.
        tar --directory="$TMPDIR" --create --sparse --hole-detection=raw --format=oldgnu --owner=0 --group=0 --numeric-owner \
            --mode=644 --mtime="@$SOURCE_DATE_EPOCH" disk.raw | pigz -n >"$OUT"
        ;;
esac
