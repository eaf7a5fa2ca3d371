# The trees in the file $IMAGE, without loop devices and mounts: a tarball, a squashfs, an ISO and the squashfs in it, a file
# system, or a disk of partitions, packed or not. Each becomes a directory below $TMPDIR/trees.

# bytes OFFSET COUNT FILE: as hexadecimal digits.
bytes() { od -A n -t x1 -v -j "$1" -N "$2" "$3" 2>/dev/null | tr -d ' \n'; }

# kind FILE: what its contents say it is.
kind() {
    case $(bytes 0 6 "$1") in
        1f8b*) echo gzip && return ;;
        fd377a585a00) echo xz && return ;;
        28b52ffd*) echo zstd && return ;;
        425a68*) echo bzip2 && return ;;
        68737173*) echo squashfs && return ;;
        3037303730[12]*) echo cpio && return ;;
    esac
    [ "$(bytes 257 5 "$1")" != 7573746172 ] || { echo tar && return; }
    # An ISO may have a partition table too, and so may a FAT file system.
    [ "$(bytes 32769 5 "$1")" != 4344303031 ] || { echo iso && return; }
    [ "$(bytes 1080 2 "$1")" != 53ef ] || { echo ext && return; }
    [ "$(bytes 65600 8 "$1")" != 5f42485266535f4d ] || { echo btrfs && return; }
    case $(bytes 54 3 "$1")$(bytes 82 3 "$1") in 464154* | *464154) echo fat && return ;; esac
    [ "$(bytes 510 2 "$1")" != 55aa ] || { echo disk && return; }
    echo other
}

# with TOOL PACKAGE: what only some images need.
with() { command -v "$1" >/dev/null || die "$IMAGE cannot be looked into without $1: install $2"; }

# inner FILE DIR NAME: the same of what lies in it. In a shell of its own, whose words are not ours. What holds files and cannot
# be read fails: of what nobody looked into nobody knows that it is clean. A boot loader's partition and swap hold none.
inner() {
    in_status=0
    (open "$@") || in_status=$?
    [ "$in_status" != 0 ] || return 0
    [ "$in_status" = 9 ] || exit 1
    with blkid util-linux
    in_found=$(blkid -p -o export "$1") || :
    in_type=$(printf '%s\n' "$in_found" | sed -n 's/^TYPE=//p')
    case $(printf '%s\n' "$in_found" | sed -n 's/^USAGE=//p') in filesystem | crypto | raid)
        die "${3#, }: this is $in_type, which cannot be looked into: whether something is left in it nobody knows" ;;
    esac
    echo "${3#, }: nothing can be read of it"
}

# open FILE DIR NAME: the trees in it, the first at DIR; NAME is for messages. Status 9 where it is nothing that holds one.
# Whoever calls it asks for its status, so nothing in it ends by itself.
open() {
    op_kind=$(kind "$1")
    case $op_kind in
        gzip | xz | zstd | bzip2)
            "$op_kind" -dc <"$1" >"$2.plain" || die "$3: $op_kind failed"
            op_status=0
            open "$2.plain" "$2" "$3" || op_status=$?
            rm -f "$2.plain"
            return "$op_status"
            ;;
        disk)
            sfdisk --dump "$1" 2>/dev/null | sed -n 's/.*start= *\([0-9]*\), size= *\([0-9]*\).*/\1 \2/p' >"$2.parts"
            [ -s "$2.parts" ] || return 9
            while read -r op_start op_size; do
                dd if="$1" of="$2-$op_start.part" bs=1M iflag=skip_bytes,count_bytes conv=sparse status=none \
                    skip=$((op_start * 512)) count=$((op_size * 512)) || die "$3: dd failed"
                inner "$2-$op_start.part" "$2-$op_start" "$3, partition at sector $op_start"
                rm -f "$2-$op_start.part"
            done <"$2.parts"
            return 0
            ;;
        other | cpio) return 9 ;;
    esac
    mkdir "$2"
    printf '%s\n' "$3" >"$2.name"
    case $op_kind in
        tar) tar --extract --file="$1" --directory="$2" --no-same-owner --exclude='./dev/*' --exclude='dev/*' ||
            die "$3: tar failed" ;;
        squashfs)
            with unsquashfs squashfs-tools
            # 2: devices that cannot be made here.
            unsquashfs -quiet -no-progress -no-xattrs -force -dest "$2" "$1" >"$TMPDIR/said" 2>&1 || [ $? = 2 ] ||
                die "$3: $(tail -n 1 "$TMPDIR/said")"
            ;;
        iso)
            with xorriso xorriso
            xorriso -osirrox on:auto_chmod_on -report_about FAILURE -indev "$1" -extract / "$2" >"$TMPDIR/said" 2>&1 ||
                die "$3: $(tail -n 1 "$TMPDIR/said")"
            chmod -R u+w "$2"
            ;;
        ext)
            with debugfs e2fsprogs
            debugfs -R "rdump / \"$2\"" "$1" >"$TMPDIR/said" 2>&1 || die "$3: $(tail -n 1 "$TMPDIR/said")"
            ;;
        btrfs)
            with btrfs btrfs-progs
            btrfs restore --ignore-errors --symlinks "$1" "$2" >"$TMPDIR/said" 2>&1 || die "$3: $(tail -n 1 "$TMPDIR/said")"
            ;;
        fat)
            with mcopy mtools
            # An empty one has nothing to copy.
            [ -z "$(mdir -b -i "$1" :: 2>/dev/null)" ] || mcopy -s -n -Q -i "$1" ::* "$2/" || die "$3: mcopy failed"
            ;;
    esac
    # What a medium starts lies in a file of it.
    find "$2" -xdev -type f \( -name '*.squashfs' -o -name '*.sfs' -o -name '*.erofs' -o -name squashfs.img -o -name ext3fs.img -o \
        -name rootfs.img -o -name disk.raw \) >"$2.more"
    op_i=0
    while read -r op_file; do
        op_i=$((op_i + 1))
        inner "$op_file" "$2+$op_i" "$3, ${op_file#"$2"/}"
    done <"$2.more"
}

mkdir "$TMPDIR/trees"
OUT=$TMPDIR/trees/0
needs_space $(($(kib "$IMAGE") * 3)) "what is in this image"
# A pattern that stands for itself: none was made.
{ open "$IMAGE" "$TMPDIR/trees/0" "" && set -- "$TMPDIR"/trees/*.name && [ -e "$1" ]; } ||
    die "nothing can be read of this file: expected a tarball, a squashfs, an ISO or a disk image"
