# The packages in repo/, which lie as they lie in their repositories, as a tree of repositories $OUT. Each gets an index of
# its own: the original one names packages that are left out.

find repo -name Packages -type d | LC_ALL=C sort >"$TMPDIR/found"
while read -r dir; do
    at=${dir#repo/} at=$OUT/${at%Packages}
    mkdir -p "$at"
    cp -r --reflink=auto "$dir" "$at"
    index_packages "$at"
    echo "${at#"$OUT"/}: $(ls "$at/Packages" | wc -l) packages"
done <"$TMPDIR/found"
