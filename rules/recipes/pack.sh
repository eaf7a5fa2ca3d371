# The tree $TREE as one file $OUT, the same bytes for the same tree. FORMAT: tar or cpio (newc, an initial RAM file system),
# with what compresses it after a dot. Times, owners and modes are the tree's own (clamped when it was published);
# nothing of this machine goes in.

case $FORMAT in
    tar) compress=cat ;;
    # -n: no name, no time. Blocks are the same however many threads there are.
    *.gz) compress='pigz -n' ;;
    # One stream, which is all that a kernel reads, and the same for any number of threads.
    *.bz2) compress='lbzip2 -c' ;;
    # -T0 always makes blocks, on one core too; a single thread (-T1) would give other bytes. A kernel knows one checksum.
    cpio.xz) compress='xz -T0 --check=crc32' ;;
    *.xz) compress='xz -T0' ;;
    *.zst) compress='zstd -q -T0 -9' ;;
    *) echo "FORMAT=$FORMAT" >&2; exit 2 ;;
esac

as_tar() {
    tar --directory="$TREE" --create --format=posix --sort=name --numeric-owner --xattrs --xattrs-include='*' --xattrs-exclude=security.selinux \
        --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
        --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime .
}
as_cpio() {
    cd "$TREE"
    find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc --reproducible
}

# A pipeline's status is its last command's, so the archiver's is written down.
failed=$TMPDIR/failed
case $TMPDIR in /*) ;; *) failed=$PWD/$failed ;; esac
{ "as_${FORMAT%%.*}" || echo $? >"$failed"; } | $compress >"$OUT"
[ ! -e "$failed" ] || { echo "${FORMAT%%.*} failed with status $(cat "$failed")" >&2; exit 1; }
