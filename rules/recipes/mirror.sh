# The packages in repo/, which lie as they lie in their repositories, as a tree of repositories $OUT. Each gets an index of
# its own: the original one names packages that are left out. What it lists beside packages is in <repository>/repodata/
# <kind>/. REPOSITORIES: a line each, for those that have no package.

{
    printf '%s\n' "$REPOSITORIES" | grep . || :
    find repo -mindepth 1 -type d '(' -name Packages -o -name repodata ')' -prune -printf '%P\n' | sed -E 's:(^|/)[^/]*$::; s:^$:.:'
} | LC_ALL=C sort -u >"$TMPDIR/found"
while read -r at; do
    mkdir -p "$OUT/$at/Packages"
    [ ! -d "repo/$at/Packages" ] || cp -r --reflink=auto "repo/$at/Packages" "$OUT/$at"
    index_packages "$OUT/$at" "repo/$at/repodata"
    echo "$at: $(find "$OUT/$at/Packages" -name '*.rpm' | wc -l) packages"
done <"$TMPDIR/found"
