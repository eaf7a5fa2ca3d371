# The index of modules of each kernel in the tree at $OUT. Of a tree whose /lib is a link, it is where that leads.

at=$(inside lib/modules/x)
modules=${at%/x}
[ ! -d "$modules" ] || {
    base=${modules%/lib/modules}
    for dir in "$modules"/*/; do
        [ -d "$dir" ] || continue
        version=${dir%/} version=${version##*/}
        depmod --all --config "$OUT/etc/depmod.d" --basedir "$base" "$version"
    done
}
