# The tree $TREE as one file $OUT, the same bytes for the same tree. FORMAT: tar or cpio (newc, an initial RAM file system),
# with what compresses it after a dot. Times, owners and modes are the tree's own (clamped when it was published);
# nothing of this machine goes in.

case $FORMAT in
    tar) compress='cat' ;;
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

[ "${FORMAT%%.*}" != cpio ] || early "$TREE" cpio
.recipe/node .recipe/archive.mjs "${FORMAT%%.*}" "$TREE" | $compress >"$OUT"
