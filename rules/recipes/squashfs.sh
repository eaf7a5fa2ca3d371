# The tree $TREE as the squashfs $OUT, the same bytes for the same tree on any number of cores. COMPRESS, LEVEL;
# WITHOUT: lines of what is left out.

# Nothing that is worth compressing gets smaller than a quarter.
needs_space $(($(du -sk "$TREE" | cut -f1) / 4)) "the squashfs of this tree"

set -- "$TREE" "$OUT" -comp "$COMPRESS" -noappend -no-progress
case $COMPRESS in zstd | gzip) [ -z "$LEVEL" ] || set -- "$@" -Xcompression-level "$LEVEL" ;; esac
# It does not keep access lists, and would take their masks for what the group may do.
.recipe/node .recipe/archive.mjs modes "$TREE" >"$TMPDIR/modes"
[ ! -s "$TMPDIR/modes" ] || set -- "$@" -pf "$TMPDIR/modes"
early "$TREE" squashfs
# absent: those of the lines that stand for nothing in the tree.
absent() (
    cd "$TREE"
    shopt -s nullglob extglob
    IFS=
    while read -r pattern; do
        # This form means any directory.
        [ "${pattern#... }" = "$pattern" ] || continue
        for path in $pattern; do { [ ! -e "$path" ] && [ ! -L "$path" ]; } || continue 2; done
        printf '%s\n' "$pattern"
    done
)
# -e swallows all that follows.
if [ -n "$WITHOUT" ]; then
    warns "without: the tree has nothing of that name" "$(printf '%s\n' "$WITHOUT" | absent)"
    printf '%s\n' "$WITHOUT" >"$TMPDIR/without"
    set -- "$@" -wildcards -ef "$TMPDIR/without"
fi
# Times come from SOURCE_DATE_EPOCH, which -all-time and -mkfs-time would contradict.
# What it says is kept in memory: when the disk is full, so is the log's.
said=$(mksquashfs "$@" 2>&1) || die "mksquashfs failed: $(printf '%s\n' "$said" | grep . | tail -n 5)"
printf '%s\n' "$said"
