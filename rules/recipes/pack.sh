# The tree $TREE as one file $OUT, the same bytes for the same tree. FORMAT: tar, tar.gz, tar.xz, tar.zst.
# Times, owners and modes are the tree's own (clamped when it was published); nothing of this machine goes in.

case $FORMAT in
    tar) compress=cat ;;
    # -n: no name, no time. Blocks are the same however many threads there are.
    tar.gz) compress='pigz -n' ;;
    # -T0 always makes blocks, on one core too; a single thread (-T1) would give other bytes.
    tar.xz) compress='xz -T0' ;;
    tar.zst) compress='zstd -q -T0 -9' ;;
    *) echo "FORMAT=$FORMAT" >&2; exit 2 ;;
esac

# A pipeline's status is its last command's, so tar's is written down.
{
    tar --directory="$TREE" --create --format=posix --sort=name --numeric-owner --xattrs --xattrs-include='*' --xattrs-exclude=security.selinux \
        --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
        --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime . || echo $? >"$TMPDIR/tar-failed"
} | $compress >"$OUT"
[ ! -e "$TMPDIR/tar-failed" ] || { echo "tar failed with status $(cat "$TMPDIR/tar-failed")" >&2; exit 1; }
